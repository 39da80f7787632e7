"""Compiled kernels on ordinary NumPy arrays, for Python and for your own compiled functions.

Arrays may have any order and strides and may be read-only; float32 and float64, one dtype a call.
The last array is written (of an update: all but the gradient); nothing is allocated or returned.
Sizes that do not fit raise `KernelShapeError` before anything is written. A kernel runs on the
thread that calls it and releases the GIL; `<name>_parallel` is its parallel twin and gives the
same bits on any number of threads. The first call for a dtype compiles, and is cached on disk.

Of the Python threads that call parallel twins at the same time one gets Numba's threads, the others
run the serial kernel, as does a process forked from one that used them. In compiled code of your
own a twin is a parallel region of your own: on the layer `workqueue`, see that it is the only one.

    products     dense, dense_sigmoid, dense_tanh, dense_relu, dense_softmax;
                 dense_backward_weights, dense_backward_biases, dense_backward_input
    activations  identity, sigmoid, tanh, relu, leaky_relu, elu, silu, gelu, softplus, softmax; each
                 with _backward; exp, dropout
    losses       cross_entropy, binary_cross_entropy, squared_error, mnist_loss, absolute_error,
                 huber, quantile_loss; each with _backward
    inference    predict: a whole network, from `Network.compiled()`
    updates      sgd_update, momentum_update, nesterov_update, adam_update, adamw_update

`fastmlp.reference` has the same functions in plain NumPy, which return what these write.

Examples
--------
One layer and its loss in a compiled function of one's own:

>>> import numba
>>> import numpy as np
>>> from fastmlp import kernels
>>> @numba.njit
... def mean_loss(x, w, b, labels):
...     p, losses = np.empty((len(x), len(b)), x.dtype), np.empty(len(x), x.dtype)
...     kernels.dense_softmax(x, w, b, p)
...     kernels.cross_entropy(p, labels, losses)
...     return losses.mean()
>>> x, w, b = np.ones((4, 3)), np.zeros((3, 2)), np.zeros(2)
>>> round(mean_loss(x, w, b, np.array([0, 1, 1, 0])), 4)
0.6931
"""

from fastmlp.kernels.checks import KernelShapeError
from fastmlp.kernels.predict import CompiledNetwork, predict
from fastmlp.kernels.public_activations import (
    exp,
    exp_parallel,
    identity,
    identity_backward,
    identity_backward_parallel,
    identity_parallel,
    relu,
    relu_backward,
    relu_backward_parallel,
    relu_parallel,
    sigmoid,
    sigmoid_backward,
    sigmoid_backward_parallel,
    sigmoid_parallel,
    softmax,
    softmax_backward,
    softmax_backward_parallel,
    softmax_parallel,
    tanh,
    tanh_backward,
    tanh_backward_parallel,
    tanh_parallel,
)
from fastmlp.kernels.public_dense import (
    dense,
    dense_backward_biases,
    dense_backward_biases_parallel,
    dense_backward_input,
    dense_backward_input_parallel,
    dense_backward_weights,
    dense_backward_weights_parallel,
    dense_parallel,
    dense_relu,
    dense_relu_parallel,
    dense_sigmoid,
    dense_sigmoid_parallel,
    dense_softmax,
    dense_softmax_parallel,
    dense_tanh,
    dense_tanh_parallel,
)
from fastmlp.kernels.public_losses import (
    binary_cross_entropy,
    binary_cross_entropy_backward,
    binary_cross_entropy_backward_parallel,
    binary_cross_entropy_parallel,
    cross_entropy,
    cross_entropy_backward,
    cross_entropy_backward_parallel,
    cross_entropy_parallel,
    mnist_loss,
    mnist_loss_backward,
    mnist_loss_backward_parallel,
    mnist_loss_parallel,
    squared_error,
    squared_error_backward,
    squared_error_backward_parallel,
    squared_error_parallel,
)
from fastmlp.kernels.public_rectifiers import (
    elu,
    elu_backward,
    elu_backward_parallel,
    elu_parallel,
    gelu,
    gelu_backward,
    gelu_backward_parallel,
    gelu_parallel,
    leaky_relu,
    leaky_relu_backward,
    leaky_relu_backward_parallel,
    leaky_relu_parallel,
    silu,
    silu_backward,
    silu_backward_parallel,
    silu_parallel,
    softplus,
    softplus_backward,
    softplus_backward_parallel,
    softplus_parallel,
)
from fastmlp.kernels.public_robust import (
    absolute_error,
    absolute_error_backward,
    absolute_error_backward_parallel,
    absolute_error_parallel,
    dropout,
    dropout_parallel,
    huber,
    huber_backward,
    huber_backward_parallel,
    huber_parallel,
    quantile_loss,
    quantile_loss_backward,
    quantile_loss_backward_parallel,
    quantile_loss_parallel,
)
from fastmlp.kernels.updates import (
    adam_update,
    adam_update_parallel,
    adamw_update,
    adamw_update_parallel,
    momentum_update,
    momentum_update_parallel,
    nesterov_update,
    nesterov_update_parallel,
    sgd_update,
    sgd_update_parallel,
)

__all__ = [
    "CompiledNetwork",
    "KernelShapeError",
    "absolute_error",
    "absolute_error_backward",
    "absolute_error_backward_parallel",
    "absolute_error_parallel",
    "adam_update",
    "adam_update_parallel",
    "adamw_update",
    "adamw_update_parallel",
    "binary_cross_entropy",
    "binary_cross_entropy_backward",
    "binary_cross_entropy_backward_parallel",
    "binary_cross_entropy_parallel",
    "cross_entropy",
    "cross_entropy_backward",
    "cross_entropy_backward_parallel",
    "cross_entropy_parallel",
    "dense",
    "dense_backward_biases",
    "dense_backward_biases_parallel",
    "dense_backward_input",
    "dense_backward_input_parallel",
    "dense_backward_weights",
    "dense_backward_weights_parallel",
    "dense_parallel",
    "dense_relu",
    "dense_relu_parallel",
    "dense_sigmoid",
    "dense_sigmoid_parallel",
    "dense_softmax",
    "dense_softmax_parallel",
    "dense_tanh",
    "dense_tanh_parallel",
    "dropout",
    "dropout_parallel",
    "elu",
    "elu_backward",
    "elu_backward_parallel",
    "elu_parallel",
    "exp",
    "exp_parallel",
    "gelu",
    "gelu_backward",
    "gelu_backward_parallel",
    "gelu_parallel",
    "huber",
    "huber_backward",
    "huber_backward_parallel",
    "huber_parallel",
    "identity",
    "identity_backward",
    "identity_backward_parallel",
    "identity_parallel",
    "leaky_relu",
    "leaky_relu_backward",
    "leaky_relu_backward_parallel",
    "leaky_relu_parallel",
    "mnist_loss",
    "mnist_loss_backward",
    "mnist_loss_backward_parallel",
    "mnist_loss_parallel",
    "momentum_update",
    "momentum_update_parallel",
    "nesterov_update",
    "nesterov_update_parallel",
    "predict",
    "quantile_loss",
    "quantile_loss_backward",
    "quantile_loss_backward_parallel",
    "quantile_loss_parallel",
    "relu",
    "relu_backward",
    "relu_backward_parallel",
    "relu_parallel",
    "sgd_update",
    "sgd_update_parallel",
    "sigmoid",
    "sigmoid_backward",
    "sigmoid_backward_parallel",
    "sigmoid_parallel",
    "silu",
    "silu_backward",
    "silu_backward_parallel",
    "silu_parallel",
    "softmax",
    "softmax_backward",
    "softmax_backward_parallel",
    "softmax_parallel",
    "softplus",
    "softplus_backward",
    "softplus_backward_parallel",
    "softplus_parallel",
    "squared_error",
    "squared_error_backward",
    "squared_error_backward_parallel",
    "squared_error_parallel",
    "tanh",
    "tanh_backward",
    "tanh_backward_parallel",
    "tanh_parallel",
]
