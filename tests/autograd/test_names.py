"""Every name of Autograd 1.9's modules that programs use is there, under the same path."""

import importlib
from types import ModuleType

import numpy
import pytest

NAMES = {
    "": """grad value_and_grad grad_and_aux elementwise_grad deriv jacobian hessian
        holomorphic_grad hessian_vector_product hessian_tensor_product tensor_jacobian_product
        vector_jacobian_product make_vjp make_jvp make_hvp make_ggnvp checkpoint grad_named
        multigrad_dict primitive dict isinstance list tuple type
        multigrad value_and_multigrad numpy""",
    "numpy": "array concatenate exp dot linalg fft random pi newaxis ndarray r_ c_ numpy_boxes",
    "numpy.linalg": "inv solve norm cholesky eigh svd slogdet det LinAlgError",
    "numpy.fft": "fft ifft rfft irfft fftn fftshift",
    "numpy.random": "randn rand RandomState seed default_rng normal",
    "scipy": "special stats linalg signal integrate misc",
    "scipy.special": "logsumexp expit gammaln digamma erf erfinv polygamma beta i0 jn logit",
    "scipy.stats": "norm multivariate_normal t beta gamma chi2 poisson dirichlet",
    "scipy.stats.norm": "pdf logpdf cdf logcdf sf logsf",
    "scipy.stats.multivariate_normal": "pdf logpdf",
    "scipy.linalg": "sqrtm solve_triangular solve_sylvester solve_banded",
    "scipy.signal": "convolve",
    "scipy.integrate": "odeint",
    "scipy.misc": "logsumexp",
    "extend": """primitive defvjp defvjp_argnum defvjp_argnums defjvp defjvp_argnum defjvp_argnums
        def_linear notrace_primitive register_notrace Box SparseObject VSpace vspace""",
    "misc": "flatten optimizers fixed_points tracers const_graph",
    "misc.flatten": "flatten flatten_func",
    "misc.optimizers": "sgd adam rmsprop unflatten_optimizer",
    "misc.fixed_points": "fixed_point",
    "misc.tracers": "const_graph full_graph",
    "builtins": "list dict tuple isinstance type",
    "test_util": "check_grads check_vjp check_jvp check_equivalent combo_check",
    "util": "quick_grad_check flatten subval subvals",
    "wrap_util": "unary_to_nary",
    "tracer": "getval isbox Box",
    "core": "primitive getval vspace make_vjp make_jvp",
    "differential_operators": "grad jacobian make_vjp",
    "convenience_wrappers": "multigrad value_and_multigrad grad_named elementwise_grad",
}


@pytest.mark.parametrize("path", NAMES)
def test_names(path: str) -> None:
    module = importlib.import_module(f"graphad.autograd{'.' if path else ''}{path}")
    assert isinstance(module, ModuleType) and (module.__doc__ or "").strip()
    for name in NAMES[path].split():
        assert hasattr(module, name), name
        assert name in dir(module) or path == "misc.flatten"


def test_submodules_are_found_by_import() -> None:
    import graphad.autograd.scipy.stats.multivariate_normal as mvn

    from graphad.autograd.scipy import stats
    from graphad.autograd.scipy.stats import norm

    assert mvn is stats.multivariate_normal and norm is stats.norm
    assert numpy.isclose(norm.logpdf(0.0), -0.5 * numpy.log(2 * numpy.pi))


def test_flatten_is_module_and_function() -> None:
    from graphad.autograd.misc import flatten
    from graphad.autograd.misc.flatten import flatten_func

    assert callable(flatten) and callable(flatten_func)
