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

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]
Layers = Sequence[Floats]

# --- activations f(Z), and delta · f'(Z) in terms of A = f(Z); every array is (n, units) ----------


def exp(x: Floats) -> Floats:
    """Return e^x; beyond the range of the dtype 0 or infinity, without a warning."""
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.exp(x))


def identity(x: Floats) -> Floats:
    """Return a copy of x."""
    return x.copy()


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + e^-x), computed from e^-|x|, which cannot overflow."""
    e = exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def tanh(x: Floats) -> Floats:
    """Return (e^x - e^-x) / (e^x + e^-x)."""
    return np.asarray(np.tanh(x))


def relu(x: Floats) -> Floats:
    """Return max(x, 0)."""
    return np.asarray(np.maximum(x, 0))


def softmax(x: Floats) -> Floats:
    """Return e^x_j / Σ_k e^x_k for each row; subtracting the row's maximum first changes nothing.

    Examples
    --------
    >>> softmax(np.array([[1000.0, 1000.0], [0.0, -1000.0]])).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    e = exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def identity_backward(activations: Floats, delta: Floats) -> Floats:
    """Return a copy of delta: f' = 1."""
    return delta.copy()


def sigmoid_backward(activations: Floats, delta: Floats) -> Floats:
    """Return delta · a · (1 - a)."""
    return delta * activations * (1 - activations)


def tanh_backward(activations: Floats, delta: Floats) -> Floats:
    """Return delta · (1 - a²)."""
    return delta * (1 - activations * activations)


def relu_backward(activations: Floats, delta: Floats) -> Floats:
    """Return delta where a > 0, and 0 elsewhere (also at the kink)."""
    return np.where(activations > 0, delta, np.zeros_like(delta))


def softmax_backward(probabilities: Floats, delta: Floats) -> Floats:
    """Return p_j · (delta_j - Σ_k p_k delta_k): of each row, (diag(p) - p pᵀ) delta."""
    inner = (probabilities * delta).sum(axis=-1, keepdims=True)
    return np.asarray(probabilities * (delta - inner))


# --- products: x (n, n_in), w (n_in, n_out), b (n_out,), delta (n, n_out) -------------------------


def dense(x: Floats, w: Floats, b: Floats) -> Floats:
    """Return the logits x @ w + b, (n, n_out)."""
    return np.asarray(x @ w + b)


def dense_sigmoid(x: Floats, w: Floats, b: Floats) -> Floats:
    """Return sigmoid(x @ w + b), (n, n_out)."""
    return sigmoid(dense(x, w, b))


def dense_tanh(x: Floats, w: Floats, b: Floats) -> Floats:
    """Return tanh(x @ w + b), (n, n_out)."""
    return tanh(dense(x, w, b))


def dense_relu(x: Floats, w: Floats, b: Floats) -> Floats:
    """Return max(x @ w + b, 0), (n, n_out)."""
    return relu(dense(x, w, b))


def dense_softmax(x: Floats, w: Floats, b: Floats) -> Floats:
    """Return softmax(x @ w + b) of each row, (n, n_out)."""
    return softmax(dense(x, w, b))


def dense_backward_weights(x: Floats, delta: Floats) -> Floats:
    """Return the gradient of the weights, xᵀ @ delta, (n_in, n_out)."""
    return np.asarray(x.T @ delta)


def dense_backward_biases(delta: Floats) -> Floats:
    """Return the gradient of the biases, the column sums of delta, (n_out,)."""
    return np.asarray(delta.sum(axis=0))


def dense_backward_input(delta: Floats, w: Floats) -> Floats:
    """Return the gradient of the layer's input, delta @ wᵀ, (n, n_in)."""
    return np.asarray(delta @ w.T)


# --- losses: one value per row, (n,), and its derivative, (n, n_outputs) --------------------------


def _log(p: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(p, np.finfo(p.dtype).tiny)))


def cross_entropy(probabilities: Floats, labels: Integers) -> Floats:
    """Return -log p[label] of each row; labels are integers in [0, n_outputs), (n,) or (n, 1).

    No p counts as less than the smallest positive normal number of its dtype, here and in
    `binary_cross_entropy`: -log 0 is 708.4 in float64, 87.3 in float32. The derivatives ignore it.
    """
    return -_log(probabilities[np.arange(len(probabilities)), labels.reshape(-1)])


def cross_entropy_backward(probabilities: Floats, labels: Integers) -> Floats:
    """Return p - onehot(label), the derivative with respect to the logits of a softmax output."""
    delta = probabilities.copy()
    delta[np.arange(len(delta)), labels.reshape(-1)] -= 1
    return delta


def binary_cross_entropy(probabilities: Floats, targets: Floats) -> Floats:
    """Return -Σ_j [t_j log p_j + (1 - t_j) log(1 - p_j)] of each row; targets in [0, 1]."""
    terms = targets * _log(probabilities) + (1 - targets) * _log(1 - probabilities)
    return np.asarray(-terms.sum(axis=1))


def binary_cross_entropy_backward(probabilities: Floats, targets: Floats) -> Floats:
    """Return p - t, the derivative with respect to the logits of a sigmoid output."""
    return probabilities - targets


def squared_error(outputs: Floats, targets: Floats) -> Floats:
    """Return Σ_j (t_j - a_j)² of each row: the sum over outputs, not the mean and not half."""
    return np.asarray(((targets - outputs) ** 2).sum(axis=1))


def squared_error_backward(outputs: Floats, targets: Floats) -> Floats:
    """Return 2 (a - t), the derivative with respect to the outputs."""
    return 2 * (outputs - targets)


def mnist_loss(probabilities: Floats, targets: Floats) -> Floats:
    """Return the mean over outputs of 1 - p where the target is 1, p elsewhere (fastai's book)."""
    return np.asarray(np.where(targets == 1, 1 - probabilities, probabilities).mean(axis=1))


def mnist_loss_backward(probabilities: Floats, targets: Floats) -> Floats:
    """Return ∓1 / n_outputs, - where the target is 1: the derivative by the outputs."""
    return np.asarray(np.where(targets == 1, -1, 1) / targets.shape[1], probabilities.dtype)


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
    "identity": (dense, identity_backward),
    "sigmoid": (dense_sigmoid, sigmoid_backward),
    "tanh": (dense_tanh, tanh_backward),
    "relu": (dense_relu, relu_backward),
    "softmax": (dense_softmax, softmax_backward),
}
# (loss, output): loss per row, its derivative, and the output's own if that is not yet in it.
_LOSSES: dict[tuple[str, str], tuple[Callable[..., Floats], ...]] = {
    ("cross_entropy", "softmax"): (cross_entropy, cross_entropy_backward),
    ("cross_entropy", "sigmoid"): (binary_cross_entropy, binary_cross_entropy_backward),
    ("squared_error", "identity"): (squared_error, squared_error_backward, identity_backward),
    ("squared_error", "sigmoid"): (squared_error, squared_error_backward, sigmoid_backward),
    ("squared_error", "softmax"): (squared_error, squared_error_backward, softmax_backward),
    ("mnist_loss", "sigmoid"): (mnist_loss, mnist_loss_backward, sigmoid_backward),
}
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
        layer, _ = _ACTIVATIONS[name]
        activations.append(layer(activations[-1], w, b))
    return activations


def loss_and_gradients(
    x: ArrayLike, y: ArrayLike, weights: Layers, biases: Layers, hidden: str, output: str,
    loss: str, sample_weight: ArrayLike | None = None, l2: float = 0.0,
) -> tuple[float, list[Floats], list[Floats]]:  # fmt: skip
    """Return Σ_i s_i loss_i / S + l2 / (2 S) · Σ w², where S = Σ_i s_i, and its [dW_l] and [db_l].

    Parameters
    ----------
    x : (n, n_features)
    y : (n,) integer labels for cross entropy of a softmax output, else targets (n, n_outputs);
        a single output may have its targets as (n,)
    weights, biases : lists of (n_in, n_out) and of (n_out,)
    hidden, output : activations: "identity", "sigmoid", "tanh", "relu" or "softmax"
    loss : "cross_entropy" (binary, summed over the outputs, if these are sigmoids),
        "squared_error" or "mnist_loss"
    sample_weight : (n,) the s_i; None stands for ones, so that S = n
    l2 : penalty on the weights; biases go free
    """
    if (loss, output) not in _LOSSES:
        pairs = ", ".join(" of ".join(pair) for pair in _LOSSES)
        raise ValueError(f"loss: expected one of {pairs} output, got {loss} of {output}")
    loss_of_rows, backward, *output_backward = _LOSSES[loss, output]
    activations = forward(x, weights, biases, hidden, output)
    outputs = activations[-1]
    targets: NDArray[Any] = np.asarray(y)
    if loss_of_rows is not cross_entropy:
        targets = targets.astype(outputs.dtype).reshape(outputs.shape)
    s = np.ones(len(outputs)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    total = float(s.sum())
    shares: Floats = (s / total).astype(outputs.dtype)

    value = float(shares @ loss_of_rows(outputs, targets))
    value += l2 / (2 * total) * sum(float((w * w).sum()) for w in weights)

    delta: Floats = shares[:, None] * backward(outputs, targets)
    for derivative in output_backward:
        delta = derivative(outputs, delta)
    dw, db = list[Floats](), list[Floats]()
    _, hidden_backward = _ACTIVATIONS[hidden]
    for layer in reversed(range(len(weights))):
        a, w = activations[layer], weights[layer]
        dw.append(dense_backward_weights(a, delta) + l2 / total * w)
        db.append(dense_backward_biases(delta))
        if layer > 0:
            delta = hidden_backward(a, dense_backward_input(delta, w))
    return value, dw[::-1], db[::-1]


def loss(
    x: ArrayLike, y: ArrayLike, weights: Layers, biases: Layers, hidden: str, output: str,
    loss: str, sample_weight: ArrayLike | None = None, l2: float = 0.0,
) -> float:  # fmt: skip
    """Return the loss alone; see `loss_and_gradients`."""
    return loss_and_gradients(x, y, weights, biases, hidden, output, loss, sample_weight, l2)[0]


def gradients(
    x: ArrayLike, y: ArrayLike, weights: Layers, biases: Layers, hidden: str, output: str,
    loss: str, sample_weight: ArrayLike | None = None, l2: float = 0.0,
) -> tuple[list[Floats], list[Floats]]:  # fmt: skip
    """Return the derivatives alone, [dW_l] and [db_l]; see `loss_and_gradients`."""
    return loss_and_gradients(x, y, weights, biases, hidden, output, loss, sample_weight, l2)[1:]


def train(
    x: ArrayLike, y: ArrayLike, weights: Layers, biases: Layers, hidden: str, output: str,
    loss: str, optimizer: Mapping[str, Any], batch_size: int | None, order: ArrayLike, epochs: int,
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
