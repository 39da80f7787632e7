"""The part of the estimators' documentation that both have."""

from __future__ import annotations

import inspect
from typing import TypeVar

__all__ = ["documented"]

_Class = TypeVar("_Class", bound=type)

_PARAMETERS = """\
hidden_layer_sizes : int, sequence of int, or str, default=(100,)
    Units of each hidden layer; also one number, an array, or a string like "128-64".
activation : str, or sequence of one str a hidden layer, default='relu'
    Of the hidden layers: 'identity', 'logistic', 'tanh', 'relu', and here also 'leaky_relu'
    (slope 0.01 below 0), 'elu', 'silu', 'gelu' (exact) and 'softplus'.
solver : {'adam', 'sgd', 'lbfgs'}, default='adam'
    Adam, gradient descent, or L-BFGS on all samples at once.
alpha : float, default=0.0001
    L2 penalty: adds alpha / 2 · Σ w² / (samples of the batch) to the loss.
batch_size : int or 'auto', default='auto'
    Samples an update; 'auto' is min(200, n_samples). Not for lbfgs.
learning_rate : str, default='constant'
    'constant', 'invscaling' or 'adaptive', these two for sgd alone, as in scikit-learn; here
    also 'cosine' and 'one_cycle', step by step over max_iter epochs, for sgd and adam.
learning_rate_init : float, default=0.001
    The learning rate, or the largest one of a schedule.
power_t : float, default=0.5
    Exponent of 'invscaling'.
max_iter : int, default=200
    At most so many epochs, or iterations of lbfgs.
shuffle : bool, default=True
    Whether to take the samples in a new random order in each epoch.
random_state : int, RandomState or None, default=None
    Of initial weights, validation split, shuffling and dropout, drawn as scikit-learn draws.
tol : float, default=1e-4
    What counts as an improvement of the loss, or with early stopping of the score; for lbfgs
    the gradient at which it ends.
verbose : bool, default=False
    Whether to print each epoch's loss.
warm_start : bool, default=False
    Whether `fit` goes on from the parameters of the last fit.
momentum : float in [0, 1], default=0.9
    Of sgd.
nesterovs_momentum : bool, default=True
    Whether sgd's momentum is Nesterov's.
early_stopping : bool, default=False
    Whether to stop where the score of held-out data does not improve.
validation_fraction : float in [0, 1), default=0.1
    Share of the samples that early stopping holds out, unless X_val is given.
beta_1, beta_2 : float in [0, 1), default=0.9, 0.999
    Decay of Adam's moments.
epsilon : float, default=1e-8
    Added to the root of Adam's second moment.
n_iter_no_change : int or inf, default=10
    Epochs without improvement before training stops, or an adaptive learning rate sinks.
max_fun : int, default=15000
    At most so many evaluations of the loss by lbfgs.
"""

_MORE_PARAMETERS = """\
scoring : str, callable or None, default=None
    What early stopping watches: accuracy or R² if None, "loss" for the validation loss (scores
    are then its negative), the name of a scorer, or scorer(estimator, X, y). Scores are weighted,
    by class_weight too, where a scorer has a parameter sample_weight.
restore_best_weights : bool or None, default=None
    Whether to end with the weights of the best epoch; None: with early stopping. Without early
    stopping the best is that of the least validation loss, or training loss; with lbfgs that of
    the least validation loss.
reset_optimizer : bool, default=True
    Whether a warm start begins with a new optimizer, as in scikit-learn; False keeps Adam's
    moments, sgd's velocity and the learning rate.
dropout : float in [0, 1), default=0
    Share of hidden units left out of each training step, at random for each sample.
weight_decay : float, default=0
    Decoupled decay (AdamW): w ← w - learning rate · weight_decay · w in each step.
max_time : float or None, default=None
    Stop after so many seconds, in the middle of an epoch if need be.
dtype : {'float32', 'float64'} or None, default=None
    In which to compute; None: float32 where X is, else float64. uint8 needs no conversion then.
n_jobs : int or None, default=None
    Threads; None decides by the work, and stays in the limits of OMP_NUM_THREADS and of joblib.
    Results do not depend on it.
callbacks : list or None, default=None
    Objects with any of on_train_begin(estimator), and on_step_end, on_chunk_end, on_epoch_end and
    on_train_end, each (estimator, history). A chunk is about 50 ms; lbfgs has epochs alone. True
    from on_step_end, on_chunk_end or on_epoch_end stops the training.
"""

_ATTRIBUTES = """\
coefs_, intercepts_ : lists of ndarray (n_in, n_out) and (n_out,)
    Weights and biases of each layer, in the dtype of the computation.
loss_ : float
    Of the last epoch: the mean of what its batches had before their updates, penalty included.
best_loss_ : float or None
    The least; None with early stopping.
loss_curve_ : list of float
    Of each epoch; not for lbfgs.
validation_scores_, best_validation_score_ : list of float and float, or None
    With early stopping.
validation_loss_curve_ : list of float or None
    Loss of the held-out data after each epoch, without penalty; None without such data, NaN for
    epochs of a warm start or partial_fit that had none.
n_iter_ : int
    Epochs, or iterations of lbfgs, of the last call.
t_ : int
    Samples seen so far, in all epochs.
n_layers_, n_outputs_, out_activation_ : int, int, str
n_features_in_, feature_names_in_ : int, and ndarray where X has names
"""

_PARTS = {
    "{parameters}": _PARAMETERS,
    "{more_parameters}": _MORE_PARAMETERS,
    "{attributes}": _ATTRIBUTES,
}


def documented(estimator: _Class) -> _Class:
    """Write into a class's docstring what both estimators have."""
    if estimator.__doc__ is not None:  # as with python -OO
        text = inspect.cleandoc(estimator.__doc__)
        for place, part in _PARTS.items():
            text = text.replace(f"{place}\n", part)
        estimator.__doc__ = text
    return estimator
