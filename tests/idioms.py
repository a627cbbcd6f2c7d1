"""What people type from habit, an idiom a line: it works, or raises words that name the way out.

``code  ==  value`` works; `code` may be several statements, of which the last is compared.
``code  =>  words`` raises an error that says these words.
"""

from __future__ import annotations

from typing import NamedTuple

TORCH = r"""
# creation
ag.zeros(2, 3)  ==  np.zeros((2, 3))
ag.zeros((2, 3)).dtype  ==  np.float32
ag.ones(2, 3, dtype=ag.float64).dtype  ==  np.float64
ag.ones(2, requires_grad=True).requires_grad  ==  True
ag.zeros(size=(2, 3))  ==  np.zeros((2, 3))
ag.randn(size=(2,), requires_grad=True).shape  ==  (2,)
ag.full((2, 2), 7.0)  ==  np.full((2, 2), 7.0)
ag.empty(2, 3).shape  ==  (2, 3)
ag.arange(5)  ==  np.arange(5)
ag.arange(0, 1, 0.25).dtype  ==  np.float32
ag.arange(1.0, 3.0)  ==  np.array([1.0, 2.0])
ag.linspace(0, 1, steps=5)  ==  np.linspace(0, 1, 5)
ag.linspace(0, 1, 5).dtype  ==  np.float32
ag.eye(3)  ==  np.eye(3)
ag.eye(2, 3)  ==  np.eye(2, 3)
ag.zeros_like(X)  ==  np.zeros((2, 3))
ag.ones_like(X, dtype=ag.float64).dtype  ==  np.float64
ag.full_like(X, 2.0)  ==  np.full((2, 3), 2.0)
ag.empty_like(X).shape  ==  (2, 3)
ag.rand(2, 3).dtype  ==  np.float32
ag.rand((2, 3)).shape  ==  (2, 3)
ag.randn(4, 5, requires_grad=True).requires_grad  ==  True
ag.randint(0, 10, (2, 3)).shape  ==  (2, 3)
ag.randint(10, (4,)).dtype  ==  np.int64
ag.randint(low=0, high=2, size=(3,)).numpy().max() < 2  ==  True
ag.rand_like(X).shape  ==  (2, 3)
ag.randn_like(X).dtype  ==  np.float32
ag.manual_seed(0); a = ag.randn(3); ag.manual_seed(0); ag.randn(3)  ==  a
ag.from_numpy(A)  ==  A
ag.tensor([1, 2]).dtype  ==  np.int64
ag.tensor([1.0], dtype=ag.float)  ==  np.array([1.0])
ag.tensor([[1.0, 2.0]], requires_grad=True).is_leaf  ==  True
ag.float32  ==  np.float32
ag.long  ==  np.int64
ag.pi  ==  np.pi
ag.inf  ==  np.inf
# reductions by dim
X.sum(dim=1)  ==  A.sum(1)
X.sum(dim=(0, 1))  ==  A.sum()
X.sum(dim=[0, 1], keepdim=True)  ==  A.sum(keepdims=True)
X.sum(1, keepdim=True)  ==  A.sum(1, keepdims=True)
ag.sum(X, dim=0)  ==  A.sum(0)
ag.sum(input=X, dim=0)  ==  A.sum(0)
X.mean(dim=0)  ==  A.mean(0)
X.mean(dim=-1, keepdim=True)  ==  A.mean(-1, keepdims=True)
ag.mean(X, dim=(0, 1))  ==  A.mean()
X.prod(dim=1)  ==  A.prod(1)
X.cumsum(dim=1)  ==  A.cumsum(1)
ag.cumsum(X, dim=0)  ==  A.cumsum(0)
ag.cumprod(X, dim=1)  ==  A.cumprod(1)
X.std(dim=0)  ==  A.std(0, ddof=1)
X.std(dim=1, unbiased=False)  ==  A.std(1)
X.var(dim=1, keepdim=True)  ==  A.var(1, ddof=1, keepdims=True)
X.var(unbiased=False)  ==  A.var()
ag.var(X, dim=1, correction=0)  ==  A.var(1)
ag.std(X, unbiased=True)  ==  A.std(ddof=1)
X.argmax(dim=1)  ==  A.argmax(1)
X.argmax(1)  ==  A.argmax(1)
ag.argmax(X, dim=1)  ==  A.argmax(1)
X.argmin(dim=0, keepdim=True)  ==  A.argmin(0, keepdims=True)
X.argsort(dim=1)  ==  A.argsort(1)
X.all(dim=1)  ==  A.all(1)
ag.any(X > 5, dim=0)  ==  (A > 5).any(0)
_, pred = X.max(dim=1); pred  ==  A.argmax(1)
values, _ = ag.max(X, dim=1); values  ==  A.max(1)
X.max(dim=1).values  ==  A.max(1)
X.max(dim=0).indices  ==  A.argmax(0)
X.max(1).values  =>  for both write x.max(dim=1)
X.max(1).indices  =>  for both write x.max(dim=1)
X.sum([0])  =>  a tuple of integers
ag.count_nonzero(X > 4, dim=0)  ==  np.array([0, 1, 1])
X.count_nonzero()  ==  6
X.max(1, keepdim=True)[0]  ==  A.max(1, keepdims=True)
X.min(dim=1)[1]  ==  A.argmin(1)
X.max()  ==  6.0
X.amax(dim=1)  ==  A.max(1)
ag.amax(X, dim=1)  ==  A.max(1)
_, pred = X.max(1)  =>  for values and indices write dim=
_, pred = ag.max(X, 1)  =>  for values and indices write dim=
a, b = ag.sort(X, 1)  =>  for values and indices write dim=
ag.max(X, X)  =>  ag.maximum
X.median(dim=1)  =>  write axis= for their mean
ag.logsumexp(X, dim=1)  ==  np.log(np.exp(A).sum(1))
X.logsumexp(dim=1, keepdim=True).shape  ==  (2, 1)
X.softmax(dim=1).sum(dim=1)  ==  np.ones(2)
ag.softmax(X, dim=-1).sum(-1)  ==  np.ones(2)
X.log_softmax(dim=1).exp().sum(1)  ==  np.ones(2)
X.norm()  ==  np.linalg.norm(A)
X.norm(dim=1)  ==  np.linalg.norm(A, axis=1)
ag.norm(X, p=1, dim=1)  ==  abs(A).sum(1)
X.norm(2)  =>  p= takes all values as one row
ag.norm(X, 2)  =>  p= takes all values as one row
ag.norm(X, p=2)  ==  np.linalg.norm(A)
X.norm(p=2, dim=0, keepdim=True)  ==  np.linalg.norm(A, axis=0, keepdims=True)
X.squeeze(dim=0)  =>  must have size 1
ag.tensor([[1.0]]).squeeze(dim=0)  ==  np.array([1.0])
X.sum(0, dim=1)  =>  got 'axis' twice
# shapes
X.view(-1)  ==  A.ravel()
X.view(3, 2)  ==  A.reshape(3, 2)
X.view(X.shape[0], -1)  ==  A
X.reshape((3, 2))  ==  A.reshape(3, 2)
X.flatten(start_dim=0)  ==  A.ravel()
ag.flatten(IMAGES, 1).shape  ==  (2, 16)
IMAGES.flatten(1).shape  ==  (2, 16)
ag.unflatten(X, 1, (3, 1)).shape  ==  (2, 3, 1)
X.unsqueeze(0).shape  ==  (1, 2, 3)
X.unsqueeze(dim=-1).shape  ==  (2, 3, 1)
ag.unsqueeze(X, 1).shape  ==  (2, 1, 3)
X.t()  ==  A.T
X.T  ==  A.T
X.mT  ==  A.T
X.permute(1, 0)  ==  A.T
ag.permute(IMAGES, (0, 2, 3, 1)).shape  ==  (2, 4, 4, 1)
IMAGES.permute(0, 2, 3, 1).shape  ==  (2, 4, 4, 1)
X.permute(0, 1)  ==  A
X.permute([1, 0])  ==  A.T
X.permute(dims=(1, 0))  ==  A.T
ag.permute(X, 1, 0)  =>  takes all axes in one tuple, as (0, 1)
ag.permute(X, dims=(1, 0))  ==  A.T
X.transpose(dim0=0, dim1=1)  ==  A.T
IMAGES.transpose(dim0=0, dim1=2).shape  ==  IMAGES.swapaxes(0, 2).shape
ag.transpose(X, 0, 1)  =>  ag.swapaxes exchanges two
X.flip(0, 1)  =>  takes all axes in one tuple
X.flip((0, 1))  ==  A[::-1, ::-1]
X.transpose(0, 1)  =>  x.swapaxes(0, 1)
X.transpose(1, 0)  ==  A.T
X.transpose(-2, -1)  =>  x.swapaxes(0, 1)
IMAGES.transpose(1, 2)  =>  swapaxes exchanges two axes
ag.transpose(X, dim0=0, dim1=1)  =>  ag.swapaxes(x, 0, 1)
ag.swapaxes(X, 0, 1)  ==  A.T
ag.movedim(IMAGES, 1, -1).shape  ==  (2, 4, 4, 1)
X.expand(4, -1, -1).shape  ==  (4, 2, 3)
ag.ones(1, 3).expand(2, 3)  ==  np.ones((2, 3))
X.expand_as(X)  =>  write x.expand(other.shape)
X.view_as(X)  =>  x.reshape(other.shape)
X.dim()  ==  2
X.ndim  ==  2
X.numel()  ==  6
X.size  ==  6
X.size()  =>  write x.shape
X.size(0)  =>  write x.shape[0]
X.shape[1]  ==  3
X.contiguous().view(-1)  ==  A.ravel()
X.clone()  ==  A
W.clone().sum().backward(); W.grad  ==  np.ones(2)
X.repeat_interleave(2, dim=0)  ==  A.repeat(2, 0)
X.repeat(2, dim=0)  ==  A.repeat(2, 0)
X.tile(2, 1)  ==  np.tile(A, (2, 1))
X.repeat(1, 1, 2)  =>  write ag.tile
X.repeat(1, 2)  =>  ag.tile(x, sizes) lays x side by side
ag.cat(tensors=[X, X], dim=1)  =>  give the list by position
ag.cat([X, X], dim=1)  ==  np.concatenate([A, A], 1)
ag.cat((X, X))  ==  np.concatenate([A, A])
ag.concat([X, X], dim=0)  ==  np.concatenate([A, A])
ag.stack([X, X], dim=0).shape  ==  (2, 2, 3)
X.chunk(2, dim=0)[1]  ==  A[1:]
ag.chunk(X, 3, dim=1)[2]  ==  A[:, 2:]
len(ag.chunk(ag.arange(6), 4))  ==  3
ag.split(X, 2, dim=1)[0]  ==  A[:, :2]
ag.split(X, [1, 2], dim=1)[1]  ==  A[:, 1:]
ag.split(ag.arange(5), [1, 2], dim=0)  =>  do not add up to the 5 of axis 0
X.split(1)  =>  ag.split(x, size, dim=0)
ag.flip(X, dims=[0])  ==  A[::-1]
ag.roll(X, shifts=1, dims=0)  ==  np.roll(A, 1, 0)
ag.gather(X, 1, ag.tensor([[0], [2]]))  ==  np.array([[1.0], [5.0]])
X.gather(dim=1, index=np.array([[0], [2]]))  ==  np.array([[1.0], [5.0]])
ag.index_select(X, 1, [0, 2])  ==  A[:, [0, 2]]
X.index_select(1, ag.tensor([0, 2]))  ==  A[:, [0, 2]]
X.take_along_dim(np.array([[0]]), 1)  =>  write x.take_along_axis(indices, axis)
ag.take_along_dim(X, np.array([[0]]), 1)  =>  write ag.take_along_axis(x, indices, axis)
X.masked_fill(X > 4, 0.0)  ==  np.where(A > 4, 0.0, A)
X.masked_fill(X > 4, float("-inf")).max()  ==  4.0
ag.where(X > 2, X, 0.0)  ==  np.where(A > 2, A, 0.0)
X.where(X > 2, 0.0)  ==  np.where(A > 2, A, 0.0)
X.topk(2, dim=1).values  ==  np.array([[3.0, 2.0], [6.0, 5.0]])
X.topk(2, sorted=True)  =>  the values come in order
X.argsort(descending=True)  ==  np.argsort(-A, 1)
_, at = ag.topk(X, 1); at  ==  np.array([[2], [1]])
ag.sort(X, dim=1).values  ==  np.sort(A, 1)
ag.sort(X, dim=1, descending=True)[0]  ==  -np.sort(-A, 1)
X.sort(dim=1)  =>  ag.sort(x, dim=-1)
ag.argsort(X, dim=1, descending=True)  ==  np.argsort(-A, 1)
ag.sort(X, descending=True).values  ==  -np.sort(-A, 1)
X.cummax(dim=1).values  ==  np.maximum.accumulate(A, 1)
X.logcumsumexp(dim=1)  ==  np.log(np.cumsum(np.exp(A), 1))
X.scatter(1, np.array([[0], [2]]), 0.0)  ==  np.array([[0.0, 2.0, 3.0], [4.0, 6.0, 0.0]])
X.index_add(0, [1, 1], X)  ==  A + np.array([[0.0], [1.0]]) * A.sum(0)
X.index_put((np.array([0]),), 0.0)  ==  A * np.array([[0.0], [1.0]])
X.masked_select(X > 4)  ==  A[A > 4]
X.narrow(1, 0, 2)  ==  A[:, :2]
X.select(dim=1, index=0)  ==  A[:, 0]
a, b = X.unbind(dim=0); b  ==  A[1]
X.unfold(1, 2, 1).shape  ==  (2, 2, 2)
X.scatter_add(1, np.array([[0]]), X)  =>  reduce='add'
ag.meshgrid(X[0], X[1], indexing="ij")[1]  ==  np.tile(A[1], (3, 1))
ag.tril(X, diagonal=1)  ==  np.tril(A, 1)
ag.diag(ag.ones(2), diagonal=1).shape  ==  (3, 3)
ag.diff(X, dim=1)  ==  np.diff(A)
X[:, None].shape  ==  (2, 1, 3)
X[X > 2].shape  ==  (4,)
# arithmetic
ag.add(X, X)  ==  2 * A
ag.add(X, X, alpha=2)  ==  3 * A
X.add(1)  ==  A + 1
X.sub(1.0)  ==  A - 1
X.mul(2)  ==  2 * A
X.div(2)  ==  A / 2
ag.div(X, 2, rounding_mode="floor")  =>  ag.floor_divide
ag.mul(X, other=X)  ==  A * A
X.pow(2)  ==  A**2
ag.pow(X, 2)  ==  A**2
X.neg()  ==  -A
X.rsqrt()  ==  1 / np.sqrt(A)
X.frac()  ==  0 * A
X.lerp(X * 2, 0.5)  ==  1.5 * A
X.addcmul(X, X, value=0.5)  ==  A + 0.5 * A * A
ag.addmm(X, X, ag.eye(3), beta=2)  ==  3 * A
ag.var_mean(X, dim=1)[0]  ==  A.var(1, ddof=1)
ag.xlogy(X, X)  ==  A * np.log(A)
ag.dist(X, 2 * X)  ==  np.linalg.norm(A)
ag.fmod(X, 2)  ==  np.fmod(A, 2)
ag.pinv(X)  ==  np.linalg.pinv(A)
X.mm(X.T)  ==  A @ A.T
ag.mm(X, X.t())  ==  A @ A.T
ag.bmm(X[None], X.T[None])[0]  ==  A @ A.T
X.matmul(X.T)  ==  A @ A.T
X @ X.T  ==  A @ A.T
ag.dot(W, W)  ==  5.0
X.exp().log()  ==  A
X.sin()  ==  np.sin(A)
ag.asin(ag.tensor(1.0))  ==  np.arcsin(1.0)
X.clamp(min=2)  ==  A.clip(2)
ag.clamp(X, 2, 3)  ==  A.clip(2, 3)
X.clamp(max=3.0)  ==  A.clip(None, 3)
X.maximum(ag.tensor(3.0))  ==  np.maximum(A, 3)
X.floor_divide(2)  ==  A // 2
X.relu()  ==  A
X.abs().sqrt()  ==  np.sqrt(A)
ag.absolute(-X)  ==  A
ag.einsum("ij,ij->i", X, X)  ==  (A * A).sum(1)
ag.isnan(X).any()  ==  False
ag.allclose(X, X)  ==  True
ag.equal(X, X)  ==  np.ones((2, 3))
ag.eq(X, X)  ==  np.ones((2, 3))
X.eq(X)  =>  write x == y
(X.argmax(dim=1) == ag.tensor([2, 1])).sum().item()  ==  2
~ag.tensor([True, False])  ==  np.array([False, True])
ag.tensor([True, False]) & ag.tensor([True, True])  ==  np.array([True, False])
ag.tensor([True, False]) | True  ==  np.array([True, True])
True ^ ag.tensor([True, False])  ==  np.array([False, True])
(X > 1) & (X < 3)  ==  (A > 1) & (A < 3)
Y = ag.tensor([True, False]); Z = Y; Y |= np.array([False, True]); Z  ==  np.array([True, True])
~X  =>  'invert' not supported
X & X  =>  'bitwise_and' not supported
ag.tensor([6, 3]) & 2  ==  np.array([2, 2])
X.nan_to_num()  =>  write ag.nan_to_num(x)
ag.linalg.inv(X)  =>  write ag.inv
X.isnan()  =>  write np.isnan(x)
X.item()  =>  must have one value
X.sum().item()  ==  21.0
X.tolist()  ==  A.tolist()
X.detach().numpy()  ==  A
X.detach().cpu().numpy()  ==  A
X.cpu()  ==  A
np.asarray(X)  ==  A
# in place
Y = X.clone(); Y.add_(1); Y  ==  A + 1
Y = X.clone(); Y.add_(X, alpha=-1); Y  ==  0 * A
Y = X.clone(); Y.mul_(2).sub_(1); Y  ==  2 * A - 1
Y = X.clone(); Y.zero_()  ==  0 * A
Y = X.clone(); Y.fill_(3.0)  ==  0 * A + 3
Y = X.clone(); Y.copy_(2 * X)  ==  2 * A
Y = X.clone(); Y.clamp_(min=3)  ==  A.clip(3)
Y = X.clone(); Y.masked_fill_(X > 4, 0.0)  ==  np.where(A > 4, 0.0, A)
Y = ag.tensor([1, 2]); Y.add_(1)  ==  np.array([2, 3])
Y = ag.tensor([1, 2]); Y.add_(1.5)  =>  add_: the result has dtype float32, and the tensor int64
Y = ag.tensor([1, 2]); Y.sqrt_()  =>  write x = x.sqrt(...)
Y = X.clone(); Y.index_add_(0, [1, 1], X)  ==  A + np.array([[0.0], [1.0]]) * A.sum(0)
W.add_(1)  =>  no_grad
with ag.no_grad(): W.sub_(1.0)
Y = W * 1; Y.mul_(3.0); Y.sum().backward(); W.grad  ==  np.array([3.0, 3.0])
W.data.add_(W, alpha=-1); W  ==  np.zeros(2)
X.uniform_(0, 1)  =>  nn.init.uniform_
X.normal_()  =>  nn.init.normal_
# dtypes and devices
X.float().dtype  ==  np.float32
X.double().dtype  ==  np.float64
X.long().dtype  ==  np.int64
X.int().dtype  ==  np.int32
X.bool().dtype  ==  np.bool_
X.to(ag.float64).dtype  ==  np.float64
X.to("cpu")  ==  A
X.to(dtype=np.float64, device="cpu").dtype  ==  np.float64
X.to(X.double()).dtype  ==  np.float64
X.type_as(X.double()).dtype  ==  np.float64
X.to("cuda")  =>  there is no device 'cuda'
X.cuda()  =>  all runs on the CPU
X.half()  =>  write x.astype('float16')
X.type(ag.float64)  =>  write x.astype(dtype)
X.device  ==  "cpu"
X.is_cuda  =>  all runs on the CPU
X.new_zeros(2)  =>  write ag.zeros(size, dtype=x.dtype)
X.data_ptr()  =>  x.numpy()
ag.cuda.is_available()  =>  all runs on the CPU
ag.device("cpu")  =>  all runs on the CPU
ag.zeros(2, device="cpu")  =>  all runs on the CPU
ag.autocast("cuda")  =>  compute in float32
ag.hub.load("resnet")  =>  there are no weights to download
ag.compile(net)  =>  net.compiled()
ag.jit.script(net)  =>  net.compiled()
ag.vmap(lambda x: x)  =>  ops work on whole arrays
ag.inference_mode()  =>  write ag.no_grad()
ag.save(net.state_dict(), "f")  =>  nn.save_weights
ag.load("f")  =>  nn.save_weights
ag.Generator()  =>  ag.manual_seed
ag.is_tensor(X)  =>  isinstance(x, ag.Tensor)
ag.set_printoptions(precision=2)  =>  np.set_printoptions
ag.rand(2, generator=None)  =>  ag.manual_seed seeds all draws
ag.sum(X, dtype=ag.float64)  =>  convert with .astype(dtype)
ag.utils.data.DataLoader  =>  ag.data.DataLoader
# gradients
W.grad is None  ==  True
(W * W).sum().backward(); W.grad  ==  np.array([2.0, 4.0])
ag.grad((W * W).sum(), W)[0]  ==  np.array([2.0, 4.0])
ag.autograd.grad  =>  write ag.grad
W.requires_grad_(False).requires_grad  ==  False
with ag.no_grad(): Y = W * 2
W.detach().requires_grad  ==  False
(W * 2).grad_fn  =>  write x.op
(W * 2).retain_grad()  ==  None
ag.Variable(X)  =>  write ag.tensor(values, requires_grad=True)
# modules
F.pad(X, (1, 1)).shape  ==  (2, 5)
F.pad(X, (1, 0), mode="replicate")[:, 0]  ==  A[:, 0]
F.normalize(X, dim=1)  ==  A / np.linalg.norm(A, axis=1, keepdims=True)
F.cosine_similarity(X, X)  ==  np.ones(2)
F.relu6(X, inplace=True)  ==  A
nn.Hardswish()(X).shape  ==  (2, 3)
nn.PReLU()(-X)  ==  -0.25 * A
nn.BCELoss()(ag.sigmoid(X), ag.ones(2, 3)).item() > 0  ==  True
nn.TripletMarginLoss(margin=1.0)(X, X, X).item()  ==  1.0
nn.PixelShuffle(2)(ag.ones(1, 4, 2, 2)).shape  ==  (1, 1, 4, 4)
nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 1)])[1](X).shape  ==  (2, 1)
nn.ModuleDict({"a": nn.ReLU()})["a"](-X)  ==  0 * A
len(list(nn.ParameterList([ag.ones(2), ag.ones(3)]).parameters()))  ==  2
nn.ReflectionPad2d(1)(IMAGES).shape  ==  (2, 1, 6, 6)
nn.ZeroPad2d((1, 0, 0, 0))(IMAGES).shape  ==  (2, 1, 4, 5)
nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect")(IMAGES).shape  ==  (2, 2, 4, 4)
F.interpolate(IMAGES, scale_factor=2, mode="bicubic", align_corners=False).shape  ==  (2, 1, 8, 8)
F.scaled_dot_product_attention(X, X, X, is_causal=True)[0]  ==  A[0]
y, w = nn.MultiheadAttention(4, 2, batch_first=True)(*[IMAGES[0]] * 3); w.shape  ==  (1, 4, 4)
nn.TransformerEncoderLayer(d_model=4, nhead=2, batch_first=True)(IMAGES[0]).shape  ==  (1, 4, 4)
nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2), num_layers=2)(IMAGES[0]).shape  ==  (1, 4, 4)
y, (h, c) = nn.LSTM(3, 5, batch_first=True)(X[None]); h.shape  ==  (1, 1, 5)
y, h = nn.GRU(3, 5, bidirectional=True)(X); y.shape  ==  (2, 10)
y, _ = nn.RNN(3, 5, num_layers=2)(X, ag.zeros(2, 5)); y.shape  ==  (2, 5)
h, c = nn.LSTMCell(3, 5)(X); h.shape  ==  (2, 5)
nn.RMSNorm(3)(X).shape  ==  (2, 3)
nn.Bilinear(3, 3, 2)(X, X).shape  ==  (2, 2)
nn.LSTM(3, 5, proj_size=2)  =>  put nn.Linear(hidden_size, proj_size) behind
nn.LSTM(3, 5).flatten_parameters()  =>  leave it out
nn.utils.rnn.pack_padded_sequence(X, [2, 1])  =>  pad with np.pad and mask the loss
nn.TransformerEncoder(nn.ReLU(), 2, enable_nested_tensor=False)  =>  leave it out
nn.Transformer(8)  =>  nn.MultiheadAttention
nn.ParameterDict({})  =>  a dict of nn.Parameter
nn.ReLU(inplace=True)(-X)  ==  0 * A
nn.ReLU(True)(-X)  ==  0 * A
nn.LeakyReLU(0.2, inplace=True)(-X)  ==  -0.2 * A
F.relu(-X, inplace=True)  ==  0 * A
F.softmax(X, dim=1).sum(1)  ==  np.ones(2)
F.softmax(X, axis=1).sum(1)  ==  np.ones(2)
F.log_softmax(X, axis=1).exp().sum(1)  ==  np.ones(2)
F.linear(X, ag.ones(2, 3), bias=None)  ==  A @ np.ones((3, 2))
F.dropout(X, 0.5, training=False)  ==  A
F.cross_entropy(X, ag.tensor([0, 1])).item() > 0  ==  True
F.swish(X)  =>  F.silu
F.ReLU  =>  write ag.nn.ReLU
nn.relu  =>  write ag.relu
nn.functional.relu(-X)  ==  0 * A
nn.Softmax(dim=1)(X).sum(1)  ==  np.ones(2)
nn.Linear(3, 2, device="cuda")  =>  all runs on the CPU
nn.Linear(3, 2, bias=False).bias is None  ==  True
nn.DataParallel(net)  =>  all runs on the CPU
nn.LazyLinear(3)  =>  write nn.Linear(in_features
net.double()(X.double()).dtype  ==  np.float64
net.float()(X).dtype  ==  np.float32
net.to(ag.float64)[0].weight.dtype  ==  np.float64
net.to("cpu") is net  ==  True
net.cpu() is net  ==  True
net.cuda()  =>  all runs on the CPU
net.to("cuda:0")  =>  there is no device 'cuda:0'
net.half()  =>  write net.to('float16')
net.train().training  ==  True
net.eval().training  ==  False
net[0].weight.shape  ==  (4, 3)
len(net.append(nn.Tanh()))  ==  4
len(net.extend([nn.Tanh(), nn.Tanh()]))  ==  5
net.insert(0, nn.Identity()); [type(m).__name__ for m in net][:2]  ==  ["Identity", "Linear"]
del net[0]; len(net)  ==  2
del net[-1]; len(net)  ==  2
net[:2](X).shape  ==  (2, 4)
net[-1].out_features  ==  2
sum(p.numel() for p in net.parameters())  ==  26
[n for n, _ in net.named_parameters()][0]  ==  "0.weight"
list(net.state_dict())[0]  ==  "0.weight"
net.load_state_dict(net.state_dict())  ==  ([], [])
net.zero_grad(set_to_none=True)  ==  None
net.add_module("a", nn.ReLU())  =>  assign the module to an attribute
nn.utils.clip_grad_norm_(net.parameters(), 1.0)  ==  0.0
optim.SGD(net.parameters(), lr=0.1, momentum=0.9).step()  =>  call loss.backward() first
opt.zero_grad(); F.mse_loss(net(X), ag.zeros(2, 2)).backward(); opt.step()  ==  None
opt.param_groups[0]["lr"]  ==  0.1
optim.Adam(net.parameters(), betas=(0.9, 0.99), foreach=True)  =>  leave it out
optim.lr_scheduler.StepLR(opt, step_size=10).get_last_lr()  ==  [0.1]
ag.training.History([{"loss": 2.0}, {"loss": 1.0}])["loss"]  ==  [2.0, 1.0]
ag.training.find_lr(net, F.mse_loss, [(X, ag.zeros(2, 2))]).suggestion > 0  ==  True
from autograd_cnn.optim.lr_scheduler import StepLR; StepLR(opt, 10).get_last_lr()  ==  [0.1]
optim.SparseAdam  =>  write optim.Adam
optim.RAdam(net.parameters(), betas=(0.9, 0.99)).param_groups[0]["lr"]  ==  0.001
optim.Adamax(net.parameters()).param_groups[0]["lr"]  ==  0.002
lbfgs = optim.LBFGS([W], lr=0.1, line_search_fn="strong_wolfe"); lbfgs.step()  =>  closure must be
optim.LBFGS([W]).step(lambda: ((W - 1) ** 2).sum().backward() or 3.0)  ==  3.0
optim.lr_scheduler.ConstantLR(opt, factor=0.5, total_iters=4).get_last_lr()  ==  [0.05]
optim.lr_scheduler.PolynomialLR(opt, total_iters=4, power=1.0).get_last_lr()  ==  [0.1]
optim.lr_scheduler.CosineAnnealingWarmRestarts(opt, T_0=5, T_mult=2).step(3.5)  ==  None
a = optim.lr_scheduler.LinearLR(opt); b = optim.lr_scheduler.StepLR(opt, 2); optim.lr_scheduler.SequentialLR(opt, schedulers=[a, b], milestones=[5]).step()  ==  None
optim.lr_scheduler.ChainedScheduler([optim.lr_scheduler.StepLR(opt, 2)]).get_last_lr()  ==  [0.1]
optim.lr_scheduler.CyclicLR  =>  write optim.OneCycleLR
optim.swa_utils.AveragedModel(net)(X).shape  ==  (2, 2)
from autograd_cnn.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn; AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.999)).update_parameters(net)  ==  None
optim.swa_utils.update_bn([X, (X, W)], net)  ==  None
optim.swa_utils.SWALR  =>  write optim.CosineAnnealingLR
optim.AveragedModel  =>  write ag.optim.swa_utils.AveragedModel
nn.utils.parameters_to_vector(net.parameters()).shape  ==  (26,)
nn.utils.vector_to_parameters(ag.zeros(26), net.parameters())  ==  None
init.xavier_uniform_(net[0].weight).shape  ==  (4, 3)
with ag.no_grad(): out = net(X)
ag.optim is optim  ==  True
ag.Linear(3, 2)  =>  write ag.nn.Linear
ag.Adam  =>  write ag.optim.Adam
ag.DataLoader  =>  write ag.data.DataLoader
"""

NUMPY = r"""
np.sum(X, axis=1)  ==  A.sum(1)
np.mean(X)  ==  A.mean()
np.exp(X)  ==  np.exp(A)
np.maximum(X, 3)  ==  np.maximum(A, 3)
np.concatenate([X, X])  ==  np.concatenate([A, A])
np.where(A > 2, X, 0.0)  ==  np.where(A > 2, A, 0.0)
np.dot(X, X.T)  ==  A @ A.T
np.linalg.norm(X)  ==  np.linalg.norm(A)
np.max(X, 1)  ==  A.max(1)
np.argmax(X, 1)  ==  A.argmax(1)
np.split(X, 3, axis=1)[0]  ==  A[:, :1]
np.zeros_like(X)  ==  0 * A
np.isnan(X).any()  ==  False
np.allclose(X, A)  ==  True
np.fft.fft(X)  =>  cut the graph
X.sum(axis=1, keepdims=True)  ==  A.sum(1, keepdims=True)
X.max(axis=1)  ==  A.max(1)
X.max(1)  ==  A.max(1)
X.std(axis=0)  ==  A.std(0)
X.std(0)  ==  A.std(0)
X.var(axis=0, ddof=1)  ==  A.var(0, ddof=1)
X.astype("float64").dtype  ==  np.float64
X.astype(int).dtype  ==  np.int64
X.reshape(3, 2).T  ==  A.reshape(3, 2).T
X.ravel()  ==  A.ravel()
X.copy()  ==  A
X.clip(2, 3)  ==  A.clip(2, 3)
X.repeat(2, axis=1)  ==  A.repeat(2, 1)
X.take([0, 1], axis=1)  ==  A[:, :2]
X.dot(X.T)  ==  A @ A.T
X.round()  ==  A
X.swapaxes(0, 1)  ==  A.T
X.mean((0, 1))  ==  A.mean()
X.sort()  =>  write ag.sort(x)
X.flat  =>  write x.ravel()
X.strides  =>  x.numpy().strides
X.itemsize  =>  x.dtype.itemsize
X.partition(1)  =>  ag.topk
X.searchsorted(1.0)  =>  np.searchsorted
X.real  =>  tensors are real
X.tobytes()  =>  x.numpy().tobytes()
X.put([0], 1.0)  =>  x[index] = values
ag.split(X, 3, axis=1)[0]  ==  A[:, :1]
ag.array_split(X, 2, axis=1)[1]  ==  A[:, 2:]
ag.argsort(X, axis=1)  ==  A.argsort(1)
ag.newaxis is None  ==  True
ag.kron(np.eye(2), X).shape  ==  (4, 6)
ag.percentile(X, 50)  =>  write np.percentile
ag.random.rand(2)  =>  ag.rand
ag.sum(X, where=A > 2)  =>  use ag.where
ag.exp(X, out=A)  =>  write y = f(x)
ag.ones(shape=(2,))  =>  unknown argument 'shape'
"""

HIPS = r"""
ag.grad(lambda x: (x * x).sum())  =>  ag.func.grad
func.grad(lambda x: (x * x).sum())(W)  ==  np.array([2.0, 4.0])
func.value_and_grad(lambda x: (x * x).sum())(W)[0]  ==  5.0
func.jacobian(lambda x: x * x)(W)  ==  np.diag([2.0, 4.0])
func.hessian(lambda x: (x * x).sum())(W)  ==  2 * np.eye(2)
ag.value_and_grad  =>  ag.func.value_and_grad
ag.jacobian  =>  ag.func.jacobian
ag.hessian  =>  ag.func.hessian
ag.elementwise_grad(np.tanh)  =>  ag.func.grad of a sum
ag.make_vjp  =>  ag.func.vjp
ag.make_jvp  =>  ag.func.jvp
ag.hessian_vector_product  =>  ag.func.hvp
ag.holomorphic_grad  =>  real numbers only
ag.grad_and_aux  =>  has_aux=True
ag.numpy.sum(X)  ==  A.sum()
ag.extend.primitive  =>  @ag.op
ag.primitive  =>  @ag.op
ag.defvjp  =>  @ag.op
ag.scipy  =>  ag.func.objective
"""

KERAS = r"""
nn.Dense(10)  =>  nn.Linear(in_features
nn.Conv2D(8, 3)  =>  nn.Conv2d
nn.MaxPooling2D(2)  =>  nn.MaxPool2d
nn.GlobalAveragePooling2D()  =>  nn.AdaptiveAvgPool2d(1)
nn.BatchNormalization()  =>  nn.BatchNorm2d
nn.Activation("relu")  =>  nn.ReLU()
nn.SimpleRNN(8)  =>  nn.RNN(
nn.MultiHeadAttention(2, 8)  =>  nn.MultiheadAttention
nn.ZeroPadding2D(1)  =>  nn.ZeroPad2d
nn.LSTM(3, 5, return_sequences=True)  =>  the layer gives all outputs
nn.Input(3)  =>  nothing declares the input
nn.Model  =>  nn.Module
nn.Linear(3, units=10)  =>  it is called out_features
nn.Linear(3, 2, activation="relu")  =>  nn.ReLU()
nn.Linear(3, 2, use_bias=False)  =>  it is called bias
nn.Conv2d(1, 2, 3, strides=2)  =>  it is called stride
nn.Dropout(rate=0.5)  =>  it is called p
nn.BatchNorm2d(2, epsilon=1e-3)  =>  it is called eps
nn.Sequential([nn.Linear(3, 2)])  =>  Sequential(*modules)
optim.Adam(net.parameters(), learning_rate=0.1)  =>  it is called lr
net.fit(X, X)  =>  loss.backward(), optimizer.step()
net.compile(optimizer="sgd")  =>  net.compiled()
net.predict(X)  =>  ag.no_grad()
net.evaluate(X, X)  =>  ag.training.accuracy
net.summary()  =>  ag.summary(net, x)
net.add(nn.ReLU())  =>  net.append(layer)
net.save("f")  =>  nn.save_weights
net.load_weights("f")  =>  nn.save_weights
net.get_weights()  =>  net.state_dict()
net.set_weights([])  =>  net.load_state_dict(state)
net.trainable_variables  =>  net.parameters()
net.layers  =>  list(net)
net.count_params()  =>  sum(p.size
net.trainable  =>  net.requires_grad_(False)
ag.GradientTape()  =>  loss.backward()
ag.keras  =>  ag.nn
ag.layers.Dense  =>  ag.nn
ag.losses  =>  ag.nn
ag.optimizers  =>  ag.optim
ag.convert_to_tensor(A)  =>  ag.tensor(values)
ag.cast(X, "float32")  =>  ag.astype
ag.stop_gradient(X)  =>  x.detach()
ag.reduce_mean(X)  =>  ag.mean
ag.reduce_sum(X)  =>  ag.sum
F.to_categorical([0, 1])  =>  F.one_hot
F.sparse_categorical_crossentropy  =>  F.cross_entropy
X.assign(A)  =>  x.copy_(values)
X.assign_add(A)  =>  x += values
X.eval()  =>  x.numpy()
"""


class Idiom(NamedTuple):
    """A line of the table: `value` is code for what the idiom gives, or "" for one that raises."""

    code: str
    value: str
    words: str


def read(text: str) -> list[Idiom]:
    found = []
    for line in text.strip().splitlines():
        if line.startswith("# "):
            continue
        code, arrow, words = line.partition("  =>  ")
        code, _, value = code.partition("  ==  ")
        found.append(Idiom(code, value or ("" if arrow else "None"), words))
    return found


IDIOMS = [idiom for table in (TORCH, NUMPY, HIPS, KERAS) for idiom in read(table)]
