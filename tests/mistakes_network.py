"""Mistakes in calls of functional, layers, modules and init; `mistakes.py` explains the form."""

from __future__ import annotations

from autograd_cnn import functional as F
from autograd_cnn import nn

TABLE = r"""
# weights
nn.save_weights(nn.Linear(2, 1).state_dict(), "net.npz")
    =>  TypeError: save_weights: model must be a module, got an object of type dict
nn.save_weights(nn.Linear(2, 1), "net.pt")
    =>  ValueError: save_weights: path must end in .npz or .safetensors, got 'net.pt'
nn.load_weights("net.npz", nn.Linear(2, 1))
    =>  TypeError: load_weights: model must be a module, got 'net.npz'
nn.load_weights(nn.Linear(2, 1), "net.pt")
    =>  ValueError: load_weights: path must end in .npz or .safetensors, got 'net.pt'; from PyTorch
nn.load_weights(nn.Linear(2, 1), "none.npz")  =>  FileNotFoundError: [Errno 2] No such file
# activations
F.gelu(x(2), "erf")  =>  ValueError: gelu: approximate must be 'none' or 'tanh'
F.hardtanh(x(2), 2, 1)  =>  ValueError: hardtanh: min_val 2 must be at most max_val 1
F.threshold("a", 1.0, 1.0)  =>  TypeError: threshold: input must be an array of numbers, got 'a'
F.celu(x(2), alpha=0)  =>  ValueError: celu: alpha must be above 0, got 0
F.softshrink(x(2), lambd=-1)  =>  ValueError: softshrink: lambd must be at least 0, got -1
F.glu(x(3))  =>  ValueError: glu: axis -1 must have an even size, got a tensor of shape (3,)
nn.Threshold(1.0)  =>  TypeError: Threshold: argument 'value' is missing; the signature is
F.softplus(x(2), beta=0)  =>  ValueError: softplus: beta must not be 0
nn.GELU("erf")  =>  ValueError: GELU: approximate must be ...'erf'
nn.Softplus(beta=0)  =>  ValueError: Softplus: beta must not be 0
# convolution
F.conv2d(x(1, 3, 8, 8), x(4, 1, 3, 3))
    =>  ValueError: conv2d: input has 3 channels, weight expects 1
F.conv2d(x(8, 8), x(4, 3, 3, 3))
    =>  ValueError: conv2d: input must have shape (N, C, H, W) or (C, H, W), got (8, 8)
F.conv2d(x(1, 3, 8, 8), x(4, 3, 3))  =>  ValueError: conv2d: weight must have shape (filters
F.conv2d(x(1, 4, 8, 8), x(4, 2, 3, 3), groups=3)
    =>  ValueError: conv2d: groups must divide the 4 filters of weight
F.conv2d(x(1, 3, 8, 8), x(4, 2, 3, 3), groups=2)
    =>  ValueError: conv2d: input has 3 channels, weight expects 2 in each of 2 groups
F.conv2d(x(1, 1, 2, 2), x(1, 1, 3, 3))
    =>  ValueError: conv2d: the kernel reaches over 3x3 ...image of 2x2
F.conv2d(x(1, 1, 4, 4), x(1, 1, 3, 3), stride=0)
    =>  ValueError: conv2d: stride must be at least 1, got 0
F.conv2d(x(1, 1, 4, 4), x(1, 1, 3, 3), stride=1.5)
    =>  TypeError: conv2d: stride must be an integer ...got 1.5
F.conv2d(x(1, 1, 4, 4), x(1, 1, 3, 3), padding=-1)
    =>  ValueError: conv2d: padding must be at least 0
F.conv2d(x(1, 1, 4, 4), x(1, 1, 3, 3), padding="full")
    =>  ValueError: conv2d: padding ...'same'...'full'
F.conv2d(x(1, 1, 4, 4), x(1, 1, 3, 3), padding=(1, 2, 3))
    =>  ValueError: conv2d: padding must be an integer or one for each of 2 axes, got (1, 2, 3)
F.conv2d(x(1, 1, 4, 4), x(1, 1, 3, 3), dilation=0)
    =>  ValueError: conv2d: dilation must be at least 1
F.conv2d(x(1, 1, 4, 4), x(2, 1, 3, 3), x(3))  =>  ValueError: conv2d: bias ...(2,), got (3,)
F.conv1d(x(1, 3, 8), x(4, 1, 3))  =>  ValueError: conv1d: input has 3 channels, weight expects 1
F.conv1d(x(8), x(4, 3, 3))  =>  ValueError: conv1d: ...(N, C, L) or (C, L), got (8,)
F.conv3d(x(1, 8, 8), x(1, 1, 1, 3, 3))
    =>  ValueError: conv3d: ...(N, C, D, H, W) or (C, D, H, W), got
F.conv3d(x(1, 1, 2, 2, 2), x(1, 1, 3, 1, 1))
    =>  ValueError: conv3d: the kernel reaches over 3x1x1 cells, ... 2x2x2
F.conv1d(x(1, 1, 8), x(1, 1, 3), stride=(1, 2))
    =>  ValueError: conv1d: stride must be an integer or one for each of 1 axes, got (1, 2)
F.conv3d(x(1, 1, 8, 8, 8), x(1, 1, 3, 3, 3), padding=(1, 2))
    =>  ValueError: conv3d: padding must be an integer or one for each of 3 axes, got (1, 2)
F.conv2d(x(1, 1, 4, 4), x(2, 1, 3, 3), groups=True)
    =>  TypeError: conv2d: groups must be an integer, got True
# transposed convolution
F.conv_transpose2d(x(1, 3, 4, 4), x(4, 2, 3, 3))
    =>  ValueError: conv_transpose2d: input has 3 channels, weight expects 4
F.conv_transpose2d(x(4, 4), x(4, 2, 3, 3))  =>  ValueError: conv_transpose2d: ...(N, C, H, W)
F.conv_transpose1d(x(1, 4, 4), x(4, 2, 3, 3))
    =>  ValueError: conv_transpose1d: weight must have shape (channels, filters / groups, columns)
F.conv_transpose2d(x(1, 4, 4, 4), x(4, 2, 3, 3), groups=3)
    =>  ValueError: conv_transpose2d: groups must divide the 4 channels of weight, got 3
F.conv_transpose2d(x(1, 4, 4, 4), x(4, 2, 3, 3), x(2), groups=2)
    =>  ValueError: conv_transpose2d: bias must have one value per filter, shape (4,), got (2,)
F.conv_transpose2d(x(1, 1, 4, 4), x(1, 1, 3, 3), output_padding=1)
    =>  ValueError: conv_transpose2d: output_padding must be smaller than stride or dilation
F.conv_transpose2d(x(1, 1, 1, 1), x(1, 1, 3, 3), padding=2)
    =>  ValueError: conv_transpose2d: an input of 1x1 gives an output of -1x-1
# unfold, fold
F.unfold(x(4, 4), 2)  =>  ValueError: unfold: input must have shape (N, C, H, W)
F.unfold(x(1, 1, 4, 4), 5)  =>  ValueError: unfold: the kernel reaches over 5x5 cells
F.unfold(x(1, 1, 4, 4), 0)  =>  ValueError: unfold: kernel_size must be at least 1
F.fold(x(1, 4, 8), 4, 2)  =>  ValueError: fold: ...(N, C * 4, 9)...got (1, 4, 8)
# pooling
F.max_pool2d(x(1, 1, 2, 2), 3)  =>  ValueError: max_pool2d: the kernel reaches over 3 cells
F.max_pool2d(x(1, 1, 4, 4), 2, padding=2)  =>  ValueError: max_pool2d: padding must be at most half
F.max_pool2d(x(1, 1, 4, 4), 0)  =>  ValueError: max_pool2d: kernel_size must be at least 1
F.max_pool2d(x(4, 4), 2)  =>  ValueError: max_pool2d: ...(N, C, H, W) or (C, H, W), got (4, 4)
F.avg_pool2d(x(4, 4), 2)  =>  ValueError: avg_pool2d: ...(N, C, H, W) or (C, H, W), got (4, 4)
F.max_pool1d(x(4), 2)  =>  ValueError: max_pool1d: ...(N, C, L) or (C, L), got (4,)
F.max_pool3d(x(1, 1, 4, 4, 4), 5)  =>  ValueError: max_pool3d: the kernel reaches over 5 cells
F.avg_pool2d(x(1, 1, 4, 4), 2, divisor_override=0)
    =>  ValueError: avg_pool2d: divisor_override must not be 0
F.adaptive_avg_pool2d(x(1, 1, 4, 4), 0)
    =>  ValueError: adaptive_avg_pool2d: output_size must be positive
F.adaptive_avg_pool2d(x(1, 1, 4, 4), (1,))
    =>  ValueError: adaptive_avg_pool2d: output_size must be positive, an int or 2 of ...(1,)
F.adaptive_avg_pool1d(x(4), 1)  =>  ValueError: adaptive_avg_pool1d: input must
F.adaptive_max_pool2d(x(1, 1, 0, 4), 1)
    =>  ValueError: adaptive_max_pool2d: images of 0x4 have no cells
F.adaptive_max_pool1d(x(4), 1)  =>  ValueError: adaptive_max_pool1d: input must
F.adaptive_max_pool3d(x(1, 1), 1)  =>  ValueError: adaptive_max_pool3d: input must
# interpolation
F.interpolate(x(1, 1, 4))  =>  ValueError: interpolate: give either size or scale_factor
F.interpolate(x(1, 1, 4), 2, 2)  =>  ValueError: interpolate: give either size or scale_factor
F.interpolate(x(1, 4), 2)  =>  ValueError: interpolate: input must ...(N, C, L) or
F.interpolate(x(1, 1, 4), 0)  =>  ValueError: interpolate: size must be positive and finite, got 0
F.interpolate(x(1, 1, 4), (2, 2))  =>  ValueError: interpolate: size must be a number or 1 of them
F.interpolate(x(1, 1, 4), 2, mode="bilinear")
    =>  ValueError: interpolate: mode must be 'nearest' or 'linear' ... got 'bilinear'
F.interpolate(x(1, 1, 4), 2, align_corners=True)
    =>  ValueError: interpolate: align_corners has no meaning for mode='nearest'
# linear, embedding and small layers
F.linear(x(2, 5), x(3, 4))  =>  ValueError: linear: input of shape (2, 5) has 5 features...expects 4
F.linear(x(2, 1, 2, 2), x(3, 4))  =>  ValueError: linear: ...flatten it first
F.linear(x(2, 4), x(3, 4), x(4))  =>  ValueError: linear: bias must have shape (3,)...got (4,)
F.linear(x(2, 4), x(4))  =>  ValueError: linear: weight must have shape (out, in), got (4,)
F.flatten(x(2, 3), 2)  =>  ValueError: flatten: start_dim=2
F.batch_norm(x(1, 3), training=True)
    =>  ValueError: batch_norm: ...one value per channel...eval()
F.batch_norm(x(2, 3))  =>  ValueError: batch_norm: evaluation ...needs running_mean and running_var
F.batch_norm(x(2, 3), None, None, x(2), training=True)  =>  ValueError: batch_norm: weight ...(3,)
F.dropout(x(2), 1.5)  =>  ValueError: dropout: p must be at least 0 and at most 1, got 1.5
F.embedding([0, 5], x(3, 2))  =>  ValueError: embedding: index 5 is out of range; ...3 rows, 0 to 2
F.embedding([-1], x(3, 2))  =>  ValueError: embedding: index -1 is out of range
F.embedding([0.5], x(3, 2))  =>  TypeError: embedding: input must hold integers
F.embedding([0], x(3))  =>  ValueError: embedding: weight must have shape (K, D)
F.embedding([0], x(3, 2), 3)  =>  ValueError: embedding: padding_idx 3 is not among the 3 rows
F.gather(x(2, 3), 1, np.array([[3]]))
    =>  ValueError: gather: index 3 is out of range; axis 1 has 3 values, 0 to 2
F.gather(x(2, 3), 1, np.array([[-1]]))  =>  ValueError: gather: index -1 is out of range
F.gather(x(2, 3), 1, np.array([[0.5]]))  =>  TypeError: gather: index must hold integers
F.gather(x(2, 3), 1, np.zeros((3, 1), int))
    =>  ValueError: gather: index must fit into ...(2, 3) along all axes but 1, got (3, 1)
F.gather(x(2, 3), 1, np.array([0]))  =>  ValueError: gather: index must fit
F.gather(x(2, 3), 2, np.array([[0]]))  =>  ValueError: gather: axis 2 is out of range for 2 axes
F.unflatten(x(2, 6), 1, (4, -1))  =>  ValueError: unflatten: axis 1 of shape (2, 6) ...(4, -1)
F.unflatten(x(2, 6), 2, (6,))  =>  ValueError: unflatten: dim=2 is out of range
F.dropout2d(x(2), 0.5)  =>  ValueError: dropout2d: ...(N, C, ...)
F.dropout2d(x(2, 2), -0.5)  =>  ValueError: dropout2d: p must be at least 0 and at most 1, got -0.5
# normalisation
F.layer_norm(x(2, 3), 2)  =>  ValueError: layer_norm: ...(2, 3) does not end in ...(2,)
F.layer_norm(x(2, 3), 3, x(2))  =>  ValueError: layer_norm: weight ...(3,), got (2,)
F.group_norm(x(2, 3), 2)  =>  ValueError: group_norm: num_groups must divide the 3 channels
F.group_norm(x(2), 1)  =>  ValueError: group_norm: ...(N, C, ...), got (2,)
F.group_norm(x(2, 4), 2, None, x(2))  =>  ValueError: group_norm: bias ...(4,)
F.instance_norm(x(2, 3))  =>  ValueError: instance_norm: ...got (2, 3)
F.instance_norm(x(2, 3, 1))  =>  ValueError: instance_norm: ...one value per channel and image
F.instance_norm(x(2, 3, 2), use_input_stats=False)
    =>  ValueError: instance_norm: evaluation ...needs running_mean and running_var
# losses
F.cross_entropy(LOGITS, np.array([0, 3]))
    =>  ValueError: cross_entropy: target 3 in row 1 is not a class...3 classes, 0 to 2
F.cross_entropy(LOGITS, np.array([0, -1]))  =>  ValueError: cross_entropy: target -1 in row 1
F.cross_entropy(LOGITS, np.array([0.0, 1.0]))
    =>  TypeError: cross_entropy: target must hold integer classes
F.cross_entropy(LOGITS, np.array([0]))
    =>  ValueError: cross_entropy: ...targets of shape (2,)...got (1,)
F.cross_entropy(x(), np.array(0))
    =>  ValueError: cross_entropy: input must have shape (K,) or (N, K, ...)
F.cross_entropy(LOGITS[0], np.array(3))
    =>  ValueError: cross_entropy: target 3 is not a class; the input has 3 classes, 0 to 2
F.nll_loss(LOGITS[0], np.array([0]))
    =>  ValueError: nll_loss: input of shape (3,) needs class targets of shape ()...got (1,)
F.cross_entropy(LOGITS, np.zeros(2, int), np.ones(2))  =>  ValueError: cross_entropy: weight ...(3,)
F.cross_entropy(LOGITS, np.zeros(2, int), reduction="avg")
    =>  ValueError: cross_entropy: reduction must be ...'avg'
F.cross_entropy(LOGITS, np.zeros(2, int), label_smoothing=2.0)
    =>  ValueError: cross_entropy: label_smoothing must be at least 0 and at most 1
F.nll_loss(LOGITS, np.array([0, 9]))  =>  ValueError: nll_loss: target 9 in row 1 is not a class
F.one_hot([3], 2)  =>  ValueError: one_hot: index 3 is out of range; there are 2 classes, 0 to 1
F.l1_loss(x(3), x(3), "avg")  =>  ValueError: l1_loss: reduction must be ...'avg'
F.kl_div(x(3), x(3), "avg")  =>  ValueError: kl_div: reduction ...'batchmean'...'avg'
F.huber_loss(x(3), x(3), delta=0.0)  =>  ValueError: huber_loss: delta must be above 0
F.smooth_l1_loss(x(3), x(3), beta=-1)  =>  ValueError: smooth_l1_loss: beta must be at least 0
F.binary_cross_entropy_with_logits(x(2, 3), x(2, 3), pos_weight=np.ones(2))
    =>  ValueError: binary_cross_entropy_with_logits: pos_weight of shape (2,) does not broadcast to
F.binary_cross_entropy_with_logits(x(3), x(3), weight=np.ones((2, 3)))
    =>  ValueError: binary_cross_entropy_with_logits: weight of shape (2, 3) does not broadcast
F.binary_cross_entropy(x(3), x(3))
    =>  ValueError: binary_cross_entropy: input must lie between 0 and 1, got 1.2; apply sigmoid
F.gaussian_nll_loss(x(2, 3), x(2, 3), x(3))
    =>  ValueError: gaussian_nll_loss: var must have the shape of the input, or 1 as last size
F.gaussian_nll_loss(x(2), x(2), -x(2))  =>  ValueError: gaussian_nll_loss: var must not be negative
F.cosine_embedding_loss(x(2, 3), x(2, 3), x(3))
    =>  ValueError: cosine_embedding_loss: needs (N, D) and targets (N,)
F.sigmoid_focal_loss(x(3), x(2))  =>  ValueError: sigmoid_focal_loss: ...same shape
F.normalize(x(3))  =>  ValueError: normalize: axis 1 is out of range for 1 axes
F.cosine_similarity(x(2, 3), x(2, 4))  =>  ValueError: cosine_similarity: the shapes must broadcast
F.pairwise_distance(x(2, 3), x(2, 4))  =>  ValueError: pairwise_distance: the shapes must broadcast
F.bilinear(x(2), x(3), x(4, 2, 2))  =>  ValueError: bilinear: shapes must be (..., m), (..., n), (out
F.bilinear(x(5, 2), x(2), x(4, 2, 2))  =>  ValueError: bilinear: shapes must be (...,
F.bilinear(x(2), x(2), x(2, 2))  =>  ValueError: bilinear: shapes must be (...,
F.bilinear(x(2), np.ones(3), x(4, 2, 3))  =>  TypeError: bilinear: the input has dtype float64
F.prelu(x(2, 3), x(2))  =>  ValueError: prelu: weight must have 1 value or 3, got
F.rms_norm(x(2, 3), 2)  =>  ValueError: rms_norm: ...(2, 3) does not end in ...(2,)
F.local_response_norm(x(2, 3), 2)  =>  ValueError: local_response_norm: needs shape (N, C, L, ...)
F.local_response_norm(x(1, 2, 3), 0)  =>  ValueError: local_response_norm: size must be at least 1
F.interpolate(x(1, 1, 4), 2, mode="bicubic")
    =>  ValueError: interpolate: mode must be 'nearest' or 'linear' for
nn.Bilinear(0, 1, 1)  =>  ValueError: Bilinear: in1_features must be at least 1, got 0
nn.RMSNorm(())  =>  ValueError: RMSNorm: normalized_shape must have at least one axis
nn.ReflectionPad2d((1, 1))  =>  ValueError: ReflectionPad2d: padding must be an integer or 4 of them
nn.ReflectionPad1d(3)(x(1, 1, 3))  =>  ValueError: pad: reflect padding (3, 3) is too much
nn.PReLU(0)  =>  ValueError: PReLU: num_parameters must be at least 1, got 0
F.pad(x(3), (1,))  =>  ValueError: pad: pad (1,) must be two numbers for each of the last axes
F.pad(x(3), (1, 1), "edge")  =>  ValueError: pad: mode must be 'constant' or 'reflect'
F.pad(x(3), (3, 0), "reflect")  =>  ValueError: pad: reflect padding (3, 0) is too much
F.pad(x(3), (-2, -2))  =>  ValueError: pad: constant padding (-2, -2) is too much
F.pad(x(3), (1, 1), "reflect", 2.0)  =>  ValueError: pad: mode 'reflect' takes no value, got 2.0
F.pixel_shuffle(x(3, 2, 2), 2)
    =>  ValueError: pixel_shuffle: needs (..., C, H, W) with sizes that 4 divides
F.pixel_unshuffle(x(1, 3, 3), 2)
    =>  ValueError: pixel_unshuffle: needs (..., C, H, W) with sizes that 2 divides
F.max_unpool1d(x(1, 1, 2), np.array([[0, 1]]), 2)
    =>  ValueError: max_unpool1d: input and indices must have one shape (N, C, L)
F.max_unpool2d(x(1, 1, 1), np.array([[[9]]]), 2)
    =>  ValueError: max_unpool2d: index 9 is out of range; images of (2, 2) have 4 cells
# layers
nn.Conv1d(1, 1, (3, 3))  =>  ValueError: Conv1d: kernel_size must be an integer or one
nn.Conv3d(3, 4, 3, groups=2)  =>  ValueError: Conv3d: in_channels=3 is not divisible by groups=2
nn.ConvTranspose2d(4, 3, 3, groups=2)
    =>  ValueError: ConvTranspose2d: out_channels=3 is not divisible by groups=2
nn.ConvTranspose2d(1, 1, 3, output_padding=1)
    =>  ValueError: ConvTranspose2d: output_padding must be smaller than stride or dilation
nn.ConvTranspose1d(1, 1, 3, padding="same")
    =>  TypeError: ConvTranspose1d: padding must be an integer or a tuple of integers
nn.MaxPool3d(2, padding=2)  =>  ValueError: MaxPool3d: padding must be at most half
nn.AvgPool1d((2, 2))  =>  ValueError: AvgPool1d: kernel_size ... each of 1 axes
nn.LayerNorm(0)  =>  ValueError: LayerNorm: normalized_shape must be at least 1, got 0
nn.LayerNorm(())  =>  ValueError: LayerNorm: normalized_shape must have at least one axis
nn.LayerNorm(2, eps=-1.0)  =>  ValueError: LayerNorm: eps must be at least 0
nn.GroupNorm(2, 3)  =>  ValueError: GroupNorm: num_channels=3 is not divisible by num_groups=2
nn.GroupNorm(1, 3)(x(2, 4))  =>  ValueError: GroupNorm: ...(N, 3, ...), got (2, 4)
nn.InstanceNorm2d(3)(x(2, 3, 4))  =>  ValueError: InstanceNorm2d: ...(N, C, H, W)
nn.InstanceNorm2d(3, momentum=None)  =>  TypeError: InstanceNorm2d: momentum must be a number
nn.BatchNorm3d(3)(x(2, 3, 4, 4))  =>  ValueError: BatchNorm3d: ...(N, C, D, H, W)
nn.Embedding(3, 2, 3)  =>  ValueError: Embedding: padding_idx must be among the 3 rows
nn.Embedding(0, 2)  =>  ValueError: Embedding: num_embeddings must be at least 1
nn.Hardtanh(1, 1)  =>  ValueError: Hardtanh: min_val 1 must be less than max_val 1
nn.Dropout2d(2)  =>  ValueError: Dropout2d: p must be at least 0 and at most 1, got 2
nn.HuberLoss(delta=0)  =>  ValueError: HuberLoss: delta must be above 0, got 0
nn.SmoothL1Loss(beta=-1)  =>  ValueError: SmoothL1Loss: beta must be at least 0
nn.KLDivLoss(reduction="avg")  =>  ValueError: KLDivLoss: reduction must be ...batchmean
nn.L1Loss(reduction="batchmean")  =>  ValueError: L1Loss: reduction must be 'mean'
F.conv_transpose3d(x(1, 1), x(1, 1, 1, 1, 1))
    =>  ValueError: conv_transpose3d: input must ...(N, C, D, H, W) or (C, D, H, W), got (1, 1)
F.avg_pool3d(x(1, 1, 2, 2, 2), 3)  =>  ValueError: avg_pool3d: the kernel reaches over 3 cells
F.adaptive_avg_pool3d(x(1, 1), 1)  =>  ValueError: adaptive_avg_pool3d: input must
nn.ConvTranspose3d(0, 1, 1)  =>  ValueError: ConvTranspose3d: in_channels must be at least 1
nn.AvgPool2d(0)  =>  ValueError: AvgPool2d: kernel_size must be at least 1, got 0
nn.AvgPool3d(2, padding=2)  =>  ValueError: AvgPool3d: padding must be at most half
nn.MaxPool1d(0)  =>  ValueError: MaxPool1d: kernel_size must be at least 1, got 0
nn.MaxPool2d(2, padding=2)  =>  ValueError: MaxPool2d: padding must be at most half
nn.AdaptiveAvgPool1d(2)(x(1))  =>  ValueError: adaptive_avg_pool1d: input must
nn.AdaptiveAvgPool2d(0)  =>  ValueError: AdaptiveAvgPool2d: output_size must be positive
nn.AdaptiveAvgPool3d(1)(x(1, 1))  =>  ValueError: adaptive_avg_pool3d: input must
nn.Unfold(0)  =>  ValueError: Unfold: kernel_size must be at least 1, got 0
nn.Unfold(2, padding=-1)  =>  ValueError: Unfold: padding must be at least 0, got -1
nn.Unfold((2, 2, 2))  =>  ValueError: Unfold: kernel_size ... one for each of 2 axes
nn.Fold(0, 2)  =>  ValueError: Fold: output_size must be at least 1, got 0
nn.Fold(4, 2)(x(1, 4, 3))  =>  ValueError: fold: input must have shape (N, C * 4, 9)
nn.Upsample()  =>  ValueError: Upsample: give either size or scale_factor
nn.BatchNorm1d(3)(x(2, 4))  =>  ValueError: BatchNorm1d: ...4 channels, ... is 3
nn.BatchNorm2d(3)(x(2, 3))  =>  ValueError: BatchNorm2d: ...(N, C, H, W), got (2, 3)
nn.InstanceNorm1d(3)(x(2, 2, 4))  =>  ValueError: InstanceNorm1d: ...has 2 channels
nn.InstanceNorm3d(3)(x(2, 3, 4))  =>  ValueError: InstanceNorm3d: ...(N, C, D, H, W)
nn.Conv2d(3, 4, 3, groups=2)  =>  ValueError: Conv2d: in_channels=3 is not divisible by groups=2
nn.Conv2d(1, 4, 0)  =>  ValueError: Conv2d: kernel_size must be at least 1
nn.Dropout(2.0)  =>  ValueError: Dropout: p must be at least 0 and at most 1
nn.Linear(2, 1.5)  =>  TypeError: Linear: out_features must be an integer, got 1.5
nn.Conv2d(1, 1, 3, stride=(1, 0))  =>  ValueError: Conv2d: stride must be at least 1, got 0
nn.Conv2d(1, 1, 3, padding=-1)  =>  ValueError: Conv2d: padding must be at least 0, got -1
nn.Conv2d(1, 1, 3, padding="full")  =>  ValueError: Conv2d: padding ...'valid' or 'same', got 'full'
nn.Conv2d(1, 1, 3, dilation=0)  =>  ValueError: Conv2d: dilation must be at least 1, got 0
nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect")
    =>  ValueError: ConvTranspose2d: padding_mode must be 'zeros', got 'reflect'
nn.Conv2d(1, 1, 3, padding_mode="mirror")
    =>  ValueError: Conv2d: padding_mode must be 'zeros' or 'reflect' or 'replicate' or ...'mirror'
nn.Conv2d(1, 1, 3, padding=2, padding_mode="reflect")(x(1, 1, 2, 2))
    =>  ValueError: pad: reflect padding (2, 2) is too much for an axis of size 2
nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")(x(2, 2))
    =>  ValueError: conv2d: input must have shape (N, C, H, W)
nn.MaxPool2d(2, 0)  =>  ValueError: MaxPool2d: stride must be at least 1, got 0
nn.AvgPool2d(2, divisor_override=0)  =>  ValueError: AvgPool2d: divisor_override must be at least 1
nn.Dropout(np.nan)  =>  ValueError: Dropout: p must be finite, got nan
nn.BatchNorm1d(0)  =>  ValueError: BatchNorm1d: num_features must be at least 1
nn.BatchNorm1d(3)(x(3))
    =>  ValueError: BatchNorm1d: expected an input of shape (N, C) or (N, C, L
nn.BatchNorm1d(3)(x(2, 3, 4, 4))  =>  ValueError: BatchNorm1d: expected an input of shape
nn.BatchNorm2d(1, eps=-1)  =>  ValueError: BatchNorm2d: eps must be at least 0
nn.BatchNorm2d(1, momentum=2)  =>  ValueError: BatchNorm2d: momentum must be
nn.CrossEntropyLoss(label_smoothing=2)  =>  ValueError: CrossEntropyLoss: label_smoothing must be
# modules
nn.Module()(1)  =>  NotImplementedError: Module: define forward
nn.Module().train(3)  =>  TypeError: Module.train: mode must be True or False, got 3
nn.Module().register_buffer("train", 3)
    =>  ValueError: Module.register_buffer: 'train' is already an attribute
nn.Linear(2, 1).load_state_dict(3)  =>  TypeError: Linear.load_state_dict: ...got 3
nn.Linear(2, 1).load_state_dict({})
    =>  ValueError: Linear.load_state_dict: ...missing: weight...missing: bias
nn.IncompatibleKeys([])  =>  TypeError: ...'unexpected_keys'
nn.Linear(0, 1)  =>  ValueError: Linear: in_features must be at least 1, got 0
nn.Flatten(3)(x(2, 2))  =>  ValueError: flatten: start_dim=3...(2, 2)
nn.Unflatten(1, (4, -1))(x(2, 6))  =>  ValueError: unflatten: axis 1 ...(4, -1)
nn.Identity()()  =>  TypeError: Identity.forward() missing 1 required positional argument: 'input'
nn.Parameter(np.array([1]))  =>  TypeError: requires_grad_: only floating tensors ...int64
# Sequential
nn.Sequential({"": nn.ReLU()})  =>  ValueError: Sequential: ...cannot name
nn.Sequential({"a.b": nn.ReLU()})  =>  ValueError: Sequential: ...cannot name
nn.Sequential({"forward": nn.ReLU()})  =>  ValueError: Sequential: ...cannot name
nn.Sequential({3: nn.ReLU()})  =>  ValueError: Sequential: ...cannot name
nn.Sequential(nn.ReLU(), abs)  =>  TypeError: Sequential: ...got builtin_function_or_method at '1'
nn.Sequential([nn.ReLU()])
    =>  TypeError: Sequential: ...got list at '0'; pass the modules one by one
nn.Sequential(nn.ReLU()).extend(3)  =>  TypeError: Sequential: modules must be a list of them
nn.ModuleList(nn.ReLU())  =>  TypeError: ModuleList: modules must be a list of them, got an object
nn.ModuleList([abs])  =>  TypeError: ModuleList: expected modules, got builtin...at '0'
nn.ModuleList(nn.ReLU(), nn.ReLU())  =>  TypeError: ModuleList: got 1 arguments too many
nn.ModuleList([nn.ReLU()])[1]  =>  IndexError: ModuleList: index 1 is out of range for 1 modules
nn.ModuleList([nn.ReLU()])["0"]  =>  TypeError: ModuleList: the index must be an integer, got '0'
nn.ModuleList()(1)  =>  NotImplementedError: ModuleList: define forward
nn.ModuleDict({"keys": nn.ReLU()})  =>  ValueError: ModuleDict: 'keys' cannot name a module
nn.ModuleDict([nn.ReLU()])  =>  TypeError: ModuleDict: modules must be a mapping or pairs, got
nn.ModuleDict(nn.ReLU())  =>  TypeError: ModuleDict: modules must be a mapping or pairs, got
nn.ModuleDict()["a"]  =>  KeyError: "ModuleDict: there is no module 'a'; there is none"
nn.ModuleDict({"a": 3})  =>  TypeError: ModuleDict: expected modules, got int at 'a'
nn.ParameterList(["text"])  =>  TypeError: Parameter: data must be an array of numbers
# attention
F.scaled_dot_product_attention(x(2, 3), x(4, 2), x(4, 2))
    =>  ValueError: scaled_dot_product_attention: query must have shape (..., L, E), key
F.scaled_dot_product_attention(x(2, 3), x(4, 3), x(3, 2))
    =>  ValueError: scaled_dot_product_attention: query must
F.scaled_dot_product_attention(x(3), x(3), x(3))
    =>  ValueError: scaled_dot_product_attention: query must
F.scaled_dot_product_attention(x(2, 2, 3), x(3, 4, 3), x(4, 3))  =>  ValueError: matmul: the shapes
F.scaled_dot_product_attention(x(2, 3), x(4, 3), x(4, 3), np.ones((4, 2), bool))
    =>  ValueError: scaled_dot_product_attention: masks must broadcast to the shape (2, 4)
F.scaled_dot_product_attention(x(2, 3), x(4, 3), x(4, 3), np.ones((2, 4), int))
    =>  TypeError: scaled_dot_product_attention: attn_mask must be an array of bools, or of floats
F.scaled_dot_product_attention(x(2, 3), x(4, 3), x(4, 3), np.ones((2, 4), bool), is_causal=True)
    =>  ValueError: scaled_dot_product_attention: give either attn_mask or is_causal=True
F.scaled_dot_product_attention(x(2, 3), x(4, 3), x(4, 3), dropout_p=2.0)
    =>  ValueError: dropout: p must be at least 0 and at most 1, got 2.0
nn.MultiheadAttention(5, 2)
    =>  ValueError: MultiheadAttention: embed_dim=5 is not divisible by num_heads=2
nn.MultiheadAttention(4, 2)(x(2, 3, 4), x(2, 3, 4), x(3, 4))
    =>  ValueError: MultiheadAttention: query must have shape (L, N, E), key and value (S, N, ...)
nn.MultiheadAttention(4, 2)(x(2, 3, 4), x(2, 2, 4), x(2, 2, 4))
    =>  ValueError: MultiheadAttention: query must have shape
nn.MultiheadAttention(4, 2)(x(2, 3, 4), x(5, 3, 4), x(6, 3, 4))
    =>  ValueError: MultiheadAttention: query must have shape ...(6, 3, 4)
nn.MultiheadAttention(4, 2)(*[x(2, 3, 4)] * 3, key_padding_mask=np.ones((2, 2), bool))
    =>  ValueError: MultiheadAttention: key_padding_mask must have shape (3, 2), got
nn.MultiheadAttention(4, 2)(*[x(2, 3, 5)] * 3)  =>  ValueError: linear: ...5 features
nn.MultiheadAttention(4, 2, add_bias_kv=True)
    =>  TypeError: MultiheadAttention: unknown argument 'add_bias_kv' (append the row
nn.TransformerEncoderLayer(4, 2, activation="tanh")
    =>  ValueError: TransformerEncoderLayer: activation must be 'relu' or 'gelu', got 'tanh'
nn.TransformerEncoder(nn.ReLU(), 0)  =>  ValueError: TransformerEncoder: num_layers must be at least
# recurrent layers
nn.RNN(2, 3, nonlinearity="gelu")
    =>  ValueError: RNN: nonlinearity must be 'tanh' or 'relu', got 'gelu'
nn.RNNCell(2, 3, nonlinearity="gelu")  =>  ValueError: RNNCell: nonlinearity must be 'tanh'
nn.GRU(2, 0)  =>  ValueError: GRU: hidden_size must be at least 1, got 0
nn.LSTM(2, 3, num_layers=0)  =>  ValueError: LSTM: num_layers must be at least 1, got 0
nn.LSTM(2, 3, proj_size=2)
    =>  TypeError: LSTM: unknown argument 'proj_size' (put nn.Linear(hidden_size, proj_size) behind
nn.LSTM(2, 3)(x(4, 1, 3))
    =>  ValueError: LSTM: input must have shape (L, N, 2) or (L, 2), with L above 0, got
nn.LSTM(2, 3, batch_first=True)(x(1, 0, 2))  =>  ValueError: LSTM: input must have shape (N, L, 2)
nn.LSTM(2, 3)(x(4, 1, 2), x(1, 1, 3))  =>  TypeError: LSTM: hx must be a pair (h, c), got a tensor
nn.GRU(2, 3)(x(4, 1, 2), x(1, 2, 3))  =>  ValueError: GRU: hx must have shape (1, 1, 3), got
nn.GRU(2, 3)(x(4, 1, 2), np.zeros((1, 1, 3)))
    =>  TypeError: GRU: hx must be of dtype float32, as weights: .astype('float32')
nn.LSTMCell(2, 3)(x(1, 2), [x(1, 3), np.zeros((1, 3))])
    =>  TypeError: LSTMCell: hx must be of dtype float32
nn.GRU(2, 3)(x(4, 2), x(1, 1, 3))  =>  ValueError: GRU: hx must have shape (1, 3), got
nn.LSTMCell(2, 3)(x(2, 3))  =>  ValueError: LSTMCell: input must have shape (N, 2) or (2,), got
nn.GRU(2, 3)(np.ones((4, 1, 2)))
    =>  TypeError: linear: the input has dtype float64, weights have float32; convert the input with
# init
init.calculate_gain("swish")  =>  ValueError: calculate_gain: unknown nonlinearity 'swish'
init.calculate_gain("leaky_relu", True)  =>  TypeError: calculate_gain: ...number or None, got True
init.uniform_(x(2, 2), 1, 0)  =>  ValueError: uniform_: ...finite and a <= b, got a=1, b=0
init.normal_(x(2, 2), std=-1)  =>  ValueError: normal_: std must be at least 0, got -1
init.trunc_normal_(x(2, 2), a=2, b=1)
    =>  ValueError: trunc_normal_: ...a < b, std > 0 ..., got a=2, b=1
init.kaiming_normal_(x(2, 2), mode="fan")
    =>  ValueError: kaiming_normal_: ...'fan_in' or 'fan_out', got
init.xavier_normal_(x(2, 2), -1.0)  =>  ValueError: xavier_normal_: gain must be at least 0, got -1
"""

# Rows that many functions share.
FAMILIES = [
    (
        " ".join(name for name in F.activations.__all__ if name != "threshold"),
        "F.NAME('text')  =>  TypeError: NAME: ... must be an array of numbers, got 'text'",
    ),
    (
        " ".join(name for name in nn.activations.__all__ if name != "Threshold"),
        "nn.NAME()('text')  =>  TypeError: ... must be an array of numbers, got 'text'",
    ),
    (
        "AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d",
        "nn.NAME(0)  =>  ValueError: NAME: output_size must be positive, an int or ... of them",
    ),
    (
        "BCELoss BCEWithLogitsLoss CosineEmbeddingLoss CrossEntropyLoss GaussianNLLLoss "
        "HingeEmbeddingLoss MSELoss MarginRankingLoss NLLLoss PoissonNLLLoss SoftMarginLoss "
        "TripletMarginLoss",
        "nn.NAME(reduction='avg')  =>  "
        "ValueError: NAME: reduction must be 'mean' or 'sum' or 'none', got 'avg'",
    ),
    (
        "binary_cross_entropy binary_cross_entropy_with_logits hinge_embedding_loss huber_loss "
        "kl_div l1_loss mse_loss poisson_nll_loss smooth_l1_loss soft_margin_loss",
        "F.NAME(x(3, 1), np.ones(3))  =>  "
        "ValueError: NAME: ...same shape, got (3, 1) and (3,); reshape",
    ),
    (
        "xavier_uniform_ xavier_normal_ kaiming_uniform_ kaiming_normal_ orthogonal_",
        "init.NAME(x(3))  =>  ValueError: NAME: a weight has at least 2 axes",
    ),
]
