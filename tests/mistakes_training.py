"""Mistakes in calls of settings, transforms, optimizers, data and training; see `mistakes.py`."""

from __future__ import annotations

TABLE = r"""
# settings of the whole
ag.manual_seed(-1)  =>  ValueError: manual_seed: seed must be at least 0, got -1
ag.set_default_dtype("int32")  =>  TypeError: set_default_dtype: ...got 'int32'
ag.set_num_threads(True)  =>  TypeError: set_num_threads: threads must be an integer, got True
ag.set_num_threads(0)  =>  ValueError: set_num_threads: threads must be at least 1, got 0
# functions of functions
ag.custom_gradient(lambda g, out, x: g)(lambda x: 1)(x(2))
    =>  TypeError: <lambda>: the function must return one tensor, got 1
ag.op(y=None)(total)  =>  TypeError: op 'total' has inputs ['a'] ...['y']
ag.draw(3)  =>  TypeError: draw: output must be a tensor or ...got 3
ag.summary(3, (1,))  =>  TypeError: summary: model must be a module, got 3
ag.Tensor([x(1)])  =>  TypeError: Tensor: data is a list of tensors...ag.stack
ag.summary(nn.ReLU())  =>  TypeError: summary: ...give the model's inputs
ag.summary(nn.ReLU(), "x")  =>  TypeError: summary: ...or a shape such as (1, 3, 32, 32), got 'x'
ag.draw(x(1), format="png")  =>  ValueError: draw: ...'mermaid' or 'dot' or 'html', got 'png'
# transforms of functions
func.grad(total)(np.array([1]))  =>  TypeError: grad: can only ...floating...int64
func.grad(squares)(np.ones(2))  =>  ValueError: grad: ...single value, got ...(2,)
func.value_and_grad(squares)(np.ones(2))  =>  ValueError: value_and_grad: ...single value
func.vjp(total, np.ones(2))[1](np.ones(3))  =>  ValueError: vjp: direction 0 ...(3,)
func.jvp(total, (np.ones(2),), (np.ones(3),))
    =>  ValueError: jvp: direction 0 ...(3,)... must have shape (2,)
func.objective(total, [])  =>  TypeError: objective: start must be a module or structure with floating
func.objective(3.0, np.ones(2))  =>  TypeError: objective: loss must be a function, got 3.0
func.objective(lambda x: x, np.ones(2))[0](np.ones(2))  =>  TypeError: objective: what the loss returns must
func.hvp(total, np.ones(2), np.ones(2))  =>  TypeError: hvp: primals must be a tuple or a list
func.jacrev(total, argnums=2)(np.ones(2))  =>  ValueError: jacrev: argnums 2 but 1
func.functional_call(nn.Linear(2, 1), {"scale": x(1)}, x(2))
    =>  ValueError: functional_call: Linear has no parameter or buffer 'scale'; there are weight
func.functional_call(nn.Linear(2, 1), {"weight": x(3)}, x(2))
    =>  ValueError: functional_call: weight must have shape (1, 2), got (3,)
func.functional_call(nn.Linear(2, 1), {"weight": "text"}, x(2))
    =>  TypeError: functional_call: weight must be an array of numbers, got 'text'
func.functional_call(3, {})  =>  TypeError: functional_call: module must be a module
func.functional_call(nn.ReLU(), 3)
    =>  TypeError: functional_call: parameters must be a mapping from paths to ...got 3
# optimizers and schedules
optim.SGD([], lr=0.1)  =>  ValueError: SGD: got no parameters
optim.SGD([x(1)], lr=-0.1)  =>  ValueError: SGD: lr...-0.1
optim.SGD([x(1)], learning_rate=0.1)
    =>  TypeError: SGD: unknown argument 'learning_rate' (it is called lr); the signature is SGD(params, lr=0.001
optim.SGD([x(1)], lr=0.1, nesterov=True)
    =>  ValueError: SGD: momentum must be above 0 with nesterov=True
optim.SGD([x(1)], lr=0.1).step()
    =>  RuntimeError: SGD.step: no parameter has a gradient; call loss.backward
optim.Optimizer([3], {})  =>  TypeError: Optimizer: parameter 0 must be a tensor
optim.Optimizer([], {})  =>  ValueError: Optimizer: got no parameters
sgd().add_param_group(3)  =>  TypeError: SGD: a parameter group must be a dict ..."params"
optim.Adam([x(1)], betas=0.9)  =>  ValueError: Adam: betas must be two numbers, got 0.9
optim.AdamW([x(1)], eps=-1)  =>  ValueError: AdamW: eps must be at least 0, got -1
optim.NAdam([x(1)], betas=(0.9, 1))  =>  ValueError: NAdam: betas[1] ... below 1, got 1
optim.RAdam([x(1)], eps="a")  =>  TypeError: RAdam: eps must be a number, got 'a'
optim.Adamax([x(1)], lr=-1)  =>  ValueError: Adamax: lr must be at least 0, got -1
optim.LBFGS([x(1)]).step()
    =>  TypeError: LBFGS.step: closure must be a function that computes the loss and its gradients
optim.LBFGS([x(1)]).step(lambda: None)
    =>  TypeError: LBFGS.step: the closure's result must be a single number, got NoneType
optim.LBFGS([x(1)]).step(lambda: 1.0)
    =>  RuntimeError: LBFGS.step: no parameter has a gradient; call loss.backward() first
optim.LBFGS([x(1)], max_iter=1.5)  =>  TypeError: LBFGS: max_iter must be an integer, got 1.5
optim.LBFGS([x(1)], line_search_fn="wolfe")
    =>  ValueError: LBFGS: line_search_fn must be None or 'strong_wolfe', got 'wolfe'
optim.LBFGS([{"params": x(1)}, {"params": x(1)}])
    =>  ValueError: LBFGS: all parameters must be in one group; give them as one list
training.Step(nn.ReLU(), F.mse_loss, optim.LBFGS([x(1)]))
    =>  TypeError: Step: LBFGS computes losses itself; call its step(closure) instead
optim.Adagrad([x(1)], lr="a")  =>  TypeError: Adagrad: lr must be a number, got 'a'
optim.RMSprop([x(1)], alpha=2)  =>  ValueError: RMSprop: alpha must be ... at most 1, got 2
optim.Adadelta([x(1)], rho=-1)  =>  ValueError: Adadelta: rho must be at least 0 and at most 1
optim.LRScheduler(3)  =>  TypeError: LRScheduler: expected an optimizer, got int
optim.LRScheduler(sgd())  =>  NotImplementedError: LRScheduler: define _lr(self, position)
optim.StepLR(sgd(), 0)  =>  ValueError: StepLR: step_size must be at least 1, got 0
optim.CosineAnnealingLR(sgd(), 0)  =>  ValueError: CosineAnnealingLR: T_max must be at least 1
optim.OneCycleLR(sgd(), 0.1)  =>  ValueError: OneCycleLR: give total_steps, or epochs
optim.MultiStepLR(sgd(), 3)  =>  TypeError: MultiStepLR: milestones must be a list of epochs
optim.ExponentialLR(sgd(), "a")  =>  TypeError: ExponentialLR: gamma must be a number
optim.InverseTimeLR(sgd(), -1)  =>  ValueError: InverseTimeLR: decay must be at least 0
optim.LinearLR(sgd(), 0)  =>  ValueError: LinearLR: start_factor must be above 0 and at most 1
optim.LambdaLR(sgd(), 0.5)  =>  TypeError: LambdaLR: lr_lambda must be a function of the epoch
optim.ConstantLR(sgd(), 2)  =>  ValueError: ConstantLR: factor must be at least 0 and at most 1
optim.PolynomialLR(sgd(), 0)  =>  ValueError: PolynomialLR: total_iters must be at least 1, got 0
optim.CosineAnnealingWarmRestarts(sgd(), 2.5)
    =>  TypeError: CosineAnnealingWarmRestarts: T_0 must be an integer, got 2.5
optim.CosineAnnealingWarmRestarts(sgd(), 2).step(-1)
    =>  ValueError: CosineAnnealingWarmRestarts.step: epoch must be at least 0, got -1
optim.SequentialLR(sgd(), [optim.StepLR(sgd(), 1)], [])
    =>  ValueError: SequentialLR: all schedulers must have the same optimizer
optim.SequentialLR(sgd(), [], [])
    =>  TypeError: SequentialLR: schedulers must be a list of schedules, got []
optim.SequentialLR(sgd(), [sgd()], 3)  =>  TypeError: SequentialLR: milestones must be a list of
optim.ChainedScheduler([3])  =>  TypeError: ChainedScheduler: each of schedulers must be a schedule
optim.ChainedScheduler([optim.ReduceLROnPlateau(sgd())])
    =>  ValueError: ChainedScheduler: ReduceLROnPlateau steps with a metric, so by itself
optim.swa_utils.AveragedModel(3)
    =>  TypeError: AveragedModel: model must be a module, got 3
optim.swa_utils.AveragedModel(nn.ReLU()).update_parameters(nn.Linear(1, 1))
    =>  ValueError: AveragedModel.update_parameters: model must have the parameters and buffers that it had at first
optim.swa_utils.get_ema_multi_avg_fn(2)
    =>  ValueError: get_ema_multi_avg_fn: decay must be at least 0 and at most 1, got 2
optim.swa_utils.update_bn([], 3)  =>  TypeError: update_bn: model must be a module, got 3
optim.ReduceLROnPlateau(sgd(), "up")
    =>  ValueError: ReduceLROnPlateau: mode must be 'min' or 'max', got 'up'
nn.utils.clip_grad_norm_([x(1)], -1)
    =>  ValueError: clip_grad_norm_: max_norm must be at least 0, got -1
nn.utils.parameters_to_vector([])  =>  ValueError: parameters_to_vector: got no parameters
nn.utils.vector_to_parameters(np.ones(3), [x(2)])
    =>  ValueError: vector_to_parameters: vec must have the shape (2,) of all parameters, got ...(3,)
nn.utils.clip_grad_value_(3, 1)  =>  TypeError: clip_grad_value_: parameters must be an
# data
data.DataLoader(3)  =>  TypeError: dataset: ...__len__ and __getitem__ or with __iter__, got int
data.DataLoader("images")  =>  TypeError: dataset: ...got str
data.DataLoader({"x": np.ones(3)})  =>  TypeError: dataset: ...give a tuple of its values
data.DataLoader(([[1], [1, 2]], [0, 1]))  =>  TypeError: array 0 of the dataset: ...in equal rows
list(data.DataLoader([np.ones(2), np.ones(3)], 2))
    =>  ValueError: DataLoader: ...have different shapes, [(2,), (3,)]; make them equal
list(data.DataLoader([(1, 2), (1,)], 2))
    =>  ValueError: DataLoader: ...numbers of parts, from 1 to 2; pass collate_fn
list(data.DataLoader([object()]))  =>  TypeError: DataLoader: elements of type object are no numbers
data.DataLoader(np.ones(3), generator=3)
    =>  TypeError: DataLoader: generator must be a NumPy Generator or None, got 3
data.DataLoader(np.ones(3), seed=1, generator=np.random.default_rng(0))
    =>  ValueError: DataLoader: give either seed or generator, not both
data.DataLoader(np.ones(3), shuffle=True, sampler=[0])
    =>  ValueError: DataLoader: give either shuffle or sampler, not both
data.DataLoader(iter([1]), shuffle=True)
    =>  ValueError: DataLoader: give either a data set without __len__ and __getitem__ or shuffle
data.DataLoader(np.ones(3), num_workers=-1)
    =>  ValueError: DataLoader: num_workers must be at least 0, got -1
data.DataLoader(np.ones(3), num_workers=1, prefetch_factor=0)
    =>  ValueError: DataLoader: prefetch_factor must be at least 1, got 0
data.DataLoader(np.ones(3), processes=True)
    =>  ValueError: DataLoader: give either processes=True or num_workers=0, not both
data.DataLoader(np.ones(3), num_workers=1, processes=2)
    =>  TypeError: DataLoader: processes must be True or False, got 2
data.DataLoader(np.ones(3), num_workers=1, multiprocessing_context="spawn")
    =>  TypeError: DataLoader: unknown argument 'multiprocessing_context' (workers are threads, or
data.DataLoader(np.ones(3), num_workers=1, worker_init_fn=print)
    =>  TypeError: DataLoader: unknown argument 'worker_init_fn' (open files in the first
data.DataLoader(np.ones(3), batch_sampler=[[0]])
    =>  TypeError: DataLoader: unknown argument 'batch_sampler' (give batch_size, and
data.Shards("no-such-folder")  =>  ValueError: Shards: no files match '*' in no-such-folder
len(data.Dataset())  =>  NotImplementedError: Dataset must define __len__
data.DataLoader(np.ones(3), 0)  =>  ValueError: DataLoader: batch_size must be at least 1
data.DataLoader(np.arange(3), 1.5)
    =>  TypeError: DataLoader: batch_size must be an integer, got 1.5
data.DataLoader(np.arange(3), True)
    =>  TypeError: DataLoader: batch_size must be an integer, got True
data.DataLoader(np.arange(3), seed=-1)  =>  ValueError: DataLoader: seed must be at least 0
data.DataLoader(np.array(1))  =>  ValueError: dataset: ...at least one axis
data.DataLoader(data.digits())  =>  TypeError: ...give one of its parts, such as .train
data.Subset(np.arange(3), [0.5])  =>  TypeError: Subset: ...must be one axis of integers
data.Subset(np.ones(3), [5])  =>  IndexError: Subset: index 5 is out of range for 3 elements
data.TensorDataset()  =>  ValueError: TensorDataset: expected at least one array
data.TensorDataset(np.ones(2), np.ones(3))
    =>  ValueError: the arrays of a dataset must have equal lengths, got 2, 3
data.random_split(np.ones(3), [1, 1])  =>  ValueError: random_split: lengths ...the 3
data.read_idx("no-such-file")
    =>  FileNotFoundError: [Errno 2] No such file or directory: 'no-such-file
data.mnist("no-such-folder")  =>  FileNotFoundError: root: ...no-such-folder
data.fashion_mnist("no-such-folder")  =>  FileNotFoundError: root: ...with Fashion-MNIST files
data.kmnist("no-such-folder")  =>  FileNotFoundError: root: ...with KMNIST files, found none
data.cifar10("no-such-folder")  =>  FileNotFoundError: root: ...with CIFAR-10 files
data.ImageFolder("no-such-folder")  =>  FileNotFoundError: root: ...images for each class
data.ImageFolder(".", "CMYK")  =>  ValueError: ImageFolder: mode must be 'RGB' or 'L', got 'CMYK'
data.ImageFolder(".", size=(0, 8))  =>  ValueError: ImageFolder: size must be at least 1, got 0
# augmentation
augment.warp([[1.0]], rng())  =>  TypeError: warp: images must be an array, such ...got [[1.0]]
augment.warp(IMAGES.astype(int), rng())
    =>  TypeError: warp: images must be uint8 or floating, got int64
augment.warp(IMAGES[0], rng())
    =>  ValueError: warp: images must have shape (N, C, H, W), got (1, 4, 4); add a
augment.warp(IMAGES, 3)  =>  TypeError: warp: rng must be ...default_rng(seed), got 3
augment.warp(IMAGES, rng(), degrees=-1)  =>  ValueError: warp: degrees must be at least 0, got -1
augment.warp(IMAGES, rng(), shift=np.inf)  =>  ValueError: warp: shift must ...finite, got inf
augment.warp(IMAGES, rng(), scale=1)  =>  ValueError: warp: scale must ...below 1, got 1
augment.warp(IMAGES, rng(), shear=90)  =>  ValueError: warp: shear must ...below 90, got 90
augment.warp(IMAGES, rng(), elastic=np.nan)  =>  ValueError: warp: elastic must ...got nan
augment.warp(IMAGES, rng(), smoothness=0.5)  =>  ValueError: warp: smoothness must be at least 1
augment.warp(IMAGES, rng(), fill=np.nan)  =>  ValueError: warp: fill must be a float64 value
augment.warp(IMAGES.astype(np.uint8), rng(), fill=-1)
    =>  ValueError: warp: fill must be a uint8 value, got -1
augment.noise(IMAGES, rng(), -2)  =>  ValueError: noise: deviation must be at least 0
augment.noise(IMAGES, None, 1)  =>  TypeError: noise: rng must be a generator
augment.noise(None, rng(), 1)  =>  TypeError: noise: images must be an array
# metrics, progress, stopping, checkpoints
training.save_checkpoint("file.npz", nn.ReLU())
    =>  TypeError: save_checkpoint: name the parts: save_checkpoint(path, model=net)
training.load_checkpoint("file.npz", nn.ReLU())
    =>  TypeError: load_checkpoint: name the parts: load_checkpoint(path, model=net)
training.Step(nn.ReLU(), F.mse_loss, [])
    =>  TypeError: Step: optimizer must be an optimizer such as SGD(parameters), got []
training.accuracy("abc", [1, 2, 3])  =>  TypeError: accuracy: predicted must be an array of numbers
training.accuracy([[1], [1, 2]], [0, 1])  =>  TypeError: accuracy: ...array of numbers, got list
training.precision_recall_f1([0, 3], [0, 1], classes=2)
    =>  ValueError: precision_recall_f1: predicted class 3 in row 1
training.accuracy(np.ones(2, int), np.ones(3, int))
    =>  ValueError: accuracy: predicted must have shape (3,)
training.accuracy(np.ones(2), np.ones(2, int))
    =>  TypeError: accuracy: predicted classes must be integers, got float64
training.accuracy(np.ones((2, 3)), np.ones((2, 3), int))  =>  TypeError: accuracy: ...argmax(axis=1)
training.accuracy(np.ones((2, 0)), np.ones(2, int))
    =>  ValueError: accuracy: scores must have shape (2, K), a row for each label, got (2, 0)
training.top_k_accuracy(np.ones(3), np.ones(3, int))
    =>  ValueError: top_k_accuracy: scores must have shape (3, K), a row for each label, got (3,)
training.top_k_accuracy(np.ones((1, 3)), np.ones(1, int), 4)
    =>  ValueError: top_k_accuracy: k must be 1 to 3, the number of scores, got 4
training.top_k_accuracy(np.ones((2, 3)), np.array([0, 3]), 2)
    =>  ValueError: top_k_accuracy: label 3 in row 1 is not one of the 3 classes, 0 to 2
training.confusion_matrix(np.array([0, 9]), np.array([0, 0]), classes=3)
    =>  ValueError: confusion_matrix: predicted class 9 in row 1 is not one of the 3 classes
training.confusion_matrix("ab", np.ones(2, int))
    =>  TypeError: confusion_matrix: predicted must be an array of numbers, got str
training.confusion_matrix(np.array([0]), np.array([0]), classes=2.5)
    =>  TypeError: confusion_matrix: classes must be an integer, got 2.5
training.confusion_matrix(np.array([0]), np.array([0]), classes=-1)
    =>  ValueError: confusion_matrix: classes must be at least 1, got -1
training.History()["loss"]
    =>  KeyError: "History: no epoch has 'loss'; there is nothing yet"
training.History([{"loss": 1.0}]).best("loss", "low")
    =>  ValueError: History.best: mode must be 'min' or 'max', got 'low'
training.History([{"loss": np.nan}]).best("loss")
    =>  ValueError: History.best: loss has no number yet
training.History().plot()
    =>  ValueError: History.plot: there are no numbers yet; append a dict for each epoch
repr(training.History([1.0]))  =>  TypeError: History: each epoch must be a dict of numbers by name
training.History({"loss": [1.0]})["loss"]
    =>  TypeError: History: each epoch must be a dict of numbers by name, got 'loss'
training.find_lr(nn.Linear(1, 1), F.mse_loss, [], optim.SGD)
    =>  TypeError: Step: optimizer must be an optimizer such as SGD(parameters), got
training.find_lr(3, F.mse_loss, [])  =>  TypeError: find_lr: model must be a module, got 3
training.find_lr(nn.Linear(1, 1), F.mse_loss, [3])
    =>  TypeError: find_lr: each of batches must be a pair of inputs and targets, got 3
training.find_lr(nn.Linear(1, 1), F.mse_loss, [])
    =>  ValueError: find_lr: batches is empty, or the loss of the first one is not finite
training.find_lr(nn.Linear(1, 1), F.mse_loss, [], highest=0)
    =>  ValueError: find_lr: highest must be above 1e-06, got 0
training.Progress(1, 2)  =>  TypeError: Progress: title must be a string, got 1
training.Progress("a", [1])  =>  TypeError: Progress: steps must be an integer
training.Progress("a", 1).update(0)
    =>  ValueError: Progress.update: count must be at least 1, got 0
training.Progress("a", 1).update(1, loss=x(3))
    =>  TypeError: Progress.update: loss must be a single number, got Tensor of shape (3,)
training.Step(nn.ReLU(), None, None)  =>  TypeError: Step: loss must be callable, got NoneType
training.EarlyStopping(3, 1)  =>  TypeError: EarlyStopping: expected a model, got int
training.EarlyStopping(nn.ReLU(), 0)  =>  ValueError: EarlyStopping: patience must be at least 1
training.EarlyStopping(nn.ReLU(), 1, "low")  =>  ValueError: EarlyStopping: mode must be 'min' or
training.EarlyStopping(nn.ReLU(), 1).update("a")
    =>  TypeError: EarlyStopping.update: value must be a single number, got str
training.save_checkpoint("no/such/folder", model=lambda: 1)
    =>  TypeError: save_checkpoint: model is a function; a part has ... or is plain data
training.save_checkpoint("no/such/folder", history=[{"loss": x(1)}])
    =>  TypeError: save_checkpoint: history/0/loss is a tensor; save its .item(), a number
training.save_checkpoint("no/such/folder", best=(x(2), 1))
    =>  TypeError: save_checkpoint: best/0 is a tensor; save its .numpy(), an array
training.save_checkpoint("a", random=1)
    =>  ValueError: save_checkpoint: 'random' is the name of the generator behind dropout
training.load_checkpoint("a", random=None)  =>  ValueError: load_checkpoint: 'random' is the name of
training.load_checkpoint("a", model=3)
    =>  TypeError: load_checkpoint: model must have state_dict and load_state_dict
training.load_checkpoint(__file__)  =>  training.CheckpointError: ...it is not an .npz file
training.replace_file("no/such").__enter__()
    =>  FileNotFoundError: [Errno 2] there is no such folder
"""
