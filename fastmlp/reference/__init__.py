"""The mathematics of a multilayer perceptron in plain NumPy, computed in the dtype of its inputs.

Every compiled kernel has its twin here, under the same name: a kernel writes to ``out``, a function
of this module returns a new array.

Layer l has weights W_l of shape (n_in, n_out) and biases b_l of shape (n_out,). A batch X of n
samples is (n, n_features), one sample a row, and the network computes row by row ::

    A_0 = X        Z_l = A_{l-1} W_l + b_l        A_l = f_l(Z_l)

Training needs delta, the derivative of the loss with respect to the logits Z_l: from the last layer
backwards (Rumelhart, Hinton and Williams, Nature 323, 1986) ::

    dW_l = A_{l-1}ᵀ delta_l    db_l = Σ_rows delta_l    delta_{l-1} = (delta_l W_lᵀ) · f'(Z_{l-1})

Examples
--------
One hidden unit passes its input on, one output doubles it; the target was 7.

>>> import numpy as np
>>> weights, biases = [np.array([[1.0]]), np.array([[2.0]])], [np.zeros(1), np.zeros(1)]
>>> x, y = np.array([[3.0]]), np.array([[7.0]])
>>> loss_and_gradients(x, y, weights, biases, "relu", "identity", "squared_error")
(1.0, [array([[-12.]]), array([[-6.]])], [array([-4.]), array([-2.])])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.reference.layers import (
    dense,
    dense_backward_biases,
    dense_backward_input,
    dense_backward_weights,
    dense_relu,
    dense_sigmoid,
    dense_softmax,
    dense_tanh,
    dropout,
    elu,
    elu_backward,
    exp,
    gelu,
    gelu_backward,
    identity,
    identity_backward,
    leaky_relu,
    leaky_relu_backward,
    normal,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    silu,
    silu_backward,
    softmax,
    softmax_backward,
    softplus,
    softplus_backward,
    tanh,
    tanh_backward,
)
from fastmlp.reference.losses import (
    absolute_error,
    absolute_error_backward,
    binary_cross_entropy,
    binary_cross_entropy_backward,
    cross_entropy,
    cross_entropy_backward,
    huber,
    huber_backward,
    mnist_loss,
    mnist_loss_backward,
    quantile_loss,
    quantile_loss_backward,
    squared_error,
    squared_error_backward,
)

__all__ = [
    "absolute_error",
    "absolute_error_backward",
    "adam_update",
    "adamw_update",
    "binary_cross_entropy",
    "binary_cross_entropy_backward",
    "cross_entropy",
    "cross_entropy_backward",
    "dense",
    "dense_backward_biases",
    "dense_backward_input",
    "dense_backward_weights",
    "dense_relu",
    "dense_sigmoid",
    "dense_softmax",
    "dense_tanh",
    "dropout",
    "elu",
    "elu_backward",
    "exp",
    "forward",
    "gelu",
    "gelu_backward",
    "gradients",
    "huber",
    "huber_backward",
    "identity",
    "identity_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "loss",
    "loss_and_gradients",
    "mnist_loss",
    "mnist_loss_backward",
    "momentum_update",
    "nesterov_update",
    "normal",
    "quantile_loss",
    "quantile_loss_backward",
    "relu",
    "relu_backward",
    "sgd_update",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "softmax",
    "softmax_backward",
    "softplus",
    "softplus_backward",
    "squared_error",
    "squared_error_backward",
    "tanh",
    "tanh_backward",
    "train",
]

Floats = NDArray[np.floating[Any]]
Layers = Sequence[Floats]

# --- update rules: parameters, gradient and state of one shape; new values are returned -----------


def sgd_update(parameters: Floats, gradient: Floats, learning_rate: float) -> Floats:
    """Return w - η g, with η the learning rate."""
    return parameters - learning_rate * gradient


def momentum_update(
    parameters: Floats, gradient: Floats, velocity: Floats, learning_rate: float, momentum: float
) -> tuple[Floats, Floats]:
    """Return (w + v, v) with the new velocity v = µ v - η g."""
    velocity = momentum * velocity - learning_rate * gradient
    return parameters + velocity, velocity


def nesterov_update(
    parameters: Floats, gradient: Floats, velocity: Floats, learning_rate: float, momentum: float
) -> tuple[Floats, Floats]:
    """Return (w + µ v - η g, v) with the new velocity v = µ v - η g, as scikit-learn does."""
    velocity = momentum * velocity - learning_rate * gradient
    return parameters + momentum * velocity - learning_rate * gradient, velocity


def adam_update(
    parameters: Floats, gradient: Floats, first_moment: Floats, second_moment: Floats, step: int,
    learning_rate: float = 1e-3, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Return (w - η_t m / (√v + ε), m, v) with η_t = η √(1 - β2^t) / (1 - β1^t), t = 1, 2, ….

    The new moments are m = β1 m + (1 - β1) g and v = β2 v + (1 - β2) g². Kingma and Ba, "Adam: a
    method for stochastic optimization", 2015, end of section 2: ε outside the bias correction.
    """
    m = beta_1 * first_moment + (1 - beta_1) * gradient
    v = beta_2 * second_moment + (1 - beta_2) * gradient * gradient
    rate = learning_rate * sqrt(1 - beta_2**step) / (1 - beta_1**step)
    return parameters - rate * m / (np.sqrt(v) + epsilon), m, v


def adamw_update(
    parameters: Floats, gradient: Floats, first_moment: Floats, second_moment: Floats, step: int,
    learning_rate: float = 1e-3, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
    weight_decay: float = 1e-2,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Return Adam's (w, m, v) after taking η λ w of the old w off the new, λ the weight decay.

    Loshchilov and Hutter, "Decoupled weight decay regularization", 2019. Biases are not decayed:
    for them the caller passes a weight decay of 0.
    """
    settings = (learning_rate, beta_1, beta_2, epsilon)
    w, m, v = adam_update(parameters, gradient, first_moment, second_moment, step, *settings)
    return w - learning_rate * weight_decay * parameters, m, v


# --- the whole network: lists of weights (n_in, n_out) and of biases (n_out,) ---------------------

_ACTIVATIONS: dict[str, tuple[Callable[..., Floats], Callable[..., Floats]]] = {
    "identity": (identity, identity_backward),
    "sigmoid": (sigmoid, sigmoid_backward),
    "tanh": (tanh, tanh_backward),
    "relu": (relu, relu_backward),
    "softmax": (softmax, softmax_backward),
    "leaky_relu": (leaky_relu, leaky_relu_backward),
    "elu": (elu, elu_backward),
    "silu": (silu, silu_backward),
    "gelu": (gelu, gelu_backward),
    "softplus": (softplus, softplus_backward),
}
_OF_LOGITS = ("silu", "gelu", "softplus")  # whose derivative is a function of Z, not of A
# (loss, output): loss per row, its derivative, and the output's own if that is not yet in it.
_LOSSES: dict[tuple[str, str], tuple[Callable[..., Floats], ...]] = {
    ("cross_entropy", "softmax"): (cross_entropy, cross_entropy_backward),
    ("cross_entropy", "sigmoid"): (binary_cross_entropy, binary_cross_entropy_backward),
    ("squared_error", "identity"): (squared_error, squared_error_backward, identity_backward),
    ("squared_error", "sigmoid"): (squared_error, squared_error_backward, sigmoid_backward),
    ("squared_error", "softmax"): (squared_error, squared_error_backward, softmax_backward),
    ("mnist_loss", "sigmoid"): (mnist_loss, mnist_loss_backward, sigmoid_backward),
    ("absolute_error", "identity"): (absolute_error, absolute_error_backward),
    ("huber", "identity"): (huber, huber_backward),
    ("quantile", "identity"): (quantile_loss, quantile_loss_backward),
}
_DEFAULTS = {"huber": (1.0,), "quantile": (0.5,)}
_UPDATES: dict[str, tuple[Callable[..., Any], int]] = {  # rule, number of arrays it remembers
    "sgd": (sgd_update, 0), "momentum": (momentum_update, 1), "nesterov": (nesterov_update, 1),
    "adam": (adam_update, 2), "adamw": (adamw_update, 2),
}  # fmt: skip


def forward(
    x: ArrayLike, weights: Layers, biases: Layers, hidden: str, output: str
) -> list[Floats]:
    """Return the activations [A_0 = x, A_1, …, A_L], each (n, units) in the weights' dtype."""
    activations = [np.asarray(x, dtype=weights[0].dtype)]
    names = [hidden] * (len(weights) - 1) + [output]
    for w, b, name in zip(weights, biases, names, strict=True):
        activation, _ = _ACTIVATIONS[name]
        activations.append(activation(dense(activations[-1], w, b)))
    return activations


def loss_and_gradients(
    x: ArrayLike, y: ArrayLike, weights: Layers, biases: Layers, hidden: str, output: str,
    loss: Any, sample_weight: ArrayLike | None = None, l2: float = 0.0,
) -> tuple[float, list[Floats], list[Floats]]:  # fmt: skip
    """Return Σ_i s_i loss_i / S + l2 / (2 S) · Σ w², where S = Σ_i s_i, and its [dW_l] and [db_l].

    Parameters
    ----------
    x : (n, n_features)
    y : (n,) integer labels for cross entropy of a softmax output, else targets (n, n_outputs);
        a single output may have its targets as (n,)
    weights, biases : lists of (n_in, n_out) and of (n_out,)
    hidden, output : activations, by their names here, "relu" for instance
    loss : "cross_entropy" (binary, summed over the outputs, if these are sigmoids),
        "squared_error", "mnist_loss", "absolute_error", "huber" or "quantile"; the last two also
        with their parameter, as ("huber", 0.5)
    sample_weight : (n,) the s_i; None stands for ones, so that S = n
    l2 : penalty on the weights; biases go free
    """
    name, *parameter = (loss, *_DEFAULTS.get(loss, ())) if isinstance(loss, str) else loss
    if (name, output) not in _LOSSES:
        pairs = ", ".join(" of ".join(pair) for pair in _LOSSES)
        raise ValueError(f"loss: expected one of {pairs} output, got {name} of {output}")
    loss_of_rows, backward, *output_backward = _LOSSES[name, output]
    activations = forward(x, weights, biases, hidden, output)
    outputs = activations[-1]
    targets: NDArray[Any] = np.asarray(y)
    if loss_of_rows is not cross_entropy:
        targets = targets.astype(outputs.dtype).reshape(outputs.shape)
    s = np.ones(len(outputs)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    total = float(s.sum())
    shares: Floats = (s / total).astype(outputs.dtype)

    value = float(shares @ loss_of_rows(outputs, targets, *parameter))
    value += l2 / (2 * total) * sum(float((w * w).sum()) for w in weights)

    delta: Floats = shares[:, None] * backward(outputs, targets, *parameter)
    for derivative in output_backward:
        delta = derivative(outputs, delta)
    dw, db = list[Floats](), list[Floats]()
    _, hidden_backward = _ACTIVATIONS[hidden]
    for layer in reversed(range(len(weights))):
        a, w = activations[layer], weights[layer]
        dw.append(dense_backward_weights(a, delta) + l2 / total * w)
        db.append(dense_backward_biases(delta))
        if layer > 0:
            if hidden in _OF_LOGITS:
                a = dense(activations[layer - 1], weights[layer - 1], biases[layer - 1])
            delta = hidden_backward(a, dense_backward_input(delta, w))
    return value, dw[::-1], db[::-1]


def loss(
    x: ArrayLike, y: ArrayLike, weights: Layers, biases: Layers, hidden: str, output: str,
    loss: Any, sample_weight: ArrayLike | None = None, l2: float = 0.0,
) -> float:  # fmt: skip
    """Return the loss alone; see `loss_and_gradients`."""
    return loss_and_gradients(x, y, weights, biases, hidden, output, loss, sample_weight, l2)[0]


def gradients(
    x: ArrayLike, y: ArrayLike, weights: Layers, biases: Layers, hidden: str, output: str,
    loss: Any, sample_weight: ArrayLike | None = None, l2: float = 0.0,
) -> tuple[list[Floats], list[Floats]]:  # fmt: skip
    """Return the derivatives alone, [dW_l] and [db_l]; see `loss_and_gradients`."""
    return loss_and_gradients(x, y, weights, biases, hidden, output, loss, sample_weight, l2)[1:]


def train(
    x: ArrayLike, y: ArrayLike, weights: Layers, biases: Layers, hidden: str, output: str,
    loss: Any, optimizer: Mapping[str, Any], batch_size: int | None, order: ArrayLike, epochs: int,
    l2: float = 0.0, sample_weight: ArrayLike | None = None,
) -> tuple[list[Floats], list[Floats], Floats]:  # fmt: skip
    """Train by mini-batches; return new weights, new biases, and the loss each step began with.

    Parameters
    ----------
    optimizer : ``name``, one of sgd, momentum, nesterov, adam and adamw, and the keyword arguments
        of that update rule, as in ``{"name": "adam", "learning_rate": 1e-3}``
    batch_size : rows in a step, fewer in the last step of an epoch if need be; None takes them all
    order : row numbers in the order they are taken: (n,) for every epoch, or (epochs, n)

    The rest is as for `loss_and_gradients`. A batch whose sample weights are all 0 is no step.
    """
    x, y = np.asarray(x), np.asarray(y)
    s = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
    rule, n_states = _UPDATES[optimizer["name"]]
    settings = {key: value for key, value in optimizer.items() if key != "name"}
    n_layers = len(weights)
    parameters = [*weights, *biases]
    states = [[np.zeros_like(p)] * n_states for p in parameters]
    orders = np.broadcast_to(np.asarray(order), (epochs, np.shape(order)[-1]))
    size = batch_size or orders.shape[1]
    batches = [rows[i : i + size] for rows in orders for i in range(0, len(rows), size)]
    batches = [rows for rows in batches if s[rows].any()]
    losses = []

    for step, rows in enumerate(batches, start=1):
        value, dw, db = loss_and_gradients(
            x[rows], y[rows], parameters[:n_layers], parameters[n_layers:],
            hidden, output, loss, s[rows], l2,
        )  # fmt: skip
        losses.append(value)
        for i, gradient in enumerate(dw + db):
            extra = {"step": step} if n_states == 2 else {}
            if rule is adamw_update and i >= n_layers:
                extra["weight_decay"] = 0  # for biases
            new = rule(parameters[i], gradient, *states[i], **(settings | extra))
            parameters[i], *states[i] = new if n_states else (new,)
    return parameters[:n_layers], parameters[n_layers:], np.array(losses)
