"""Which module declares what of the operations that load late; see `further`.

Written by `python docs/further.py`: of each module the functions, and after the bar what else it
declares: its primitives, and functions of NumPy that are answered by functions of other names.
"""

# fmt: off
FURTHER: dict[str, str] = {
    "derivatives.custom": "| custom",
    "derivatives.gates": "| grad_clip grad_scale",
    "derivatives.implicit": "| solution",
    "derivatives.opaque": "| primitive",
    "ir.families.branches": "| switch",
    "ir.families.loopkept": "| scan_recomputing",
    "ir.families.loops": "| scan",
    "ir.families.random": "| random.renew random.split",
    "ir.families.rows": "| map_rows",
    "ops.agreement": "| agreeing",
    "ops.arrays.applying": "apply_along_axis apply_over_axes vectorize |",
    "ops.arrays.asking":
        "can_cast ndim result_type shape size | array2string array_repr array_str common_type "
        "copyto fill_diagonal may_share_memory min_scalar_type place put put_along_axis putmask "
        "save savetxt savez savez_compressed shares_memory",
    "ops.arrays.extrema": "index_max index_min |",
    "ops.arrays.folding":
        "index_divide index_multiply index_power | fold_divide fold_linear fold_multiply "
        "fold_power",
    "ops.arrays.grids":
        "broadcast_arrays broadcast_shapes diag_indices diag_indices_from fromfunction indices "
        "ix_ mask_indices meshgrid rollaxis tril_indices tril_indices_from triu_indices "
        "triu_indices_from |",
    "ops.arrays.making":
        "array asanyarray asarray ascontiguousarray asfortranarray copy empty empty_like "
        "geomspace identity logspace tri |",
    "ops.arrays.matrix":
        "diag diagflat diagonal fliplr flipud kron linalg.matrix_transpose matrix_transpose roll "
        "rot90 trace tril triu |",
    "ops.arrays.padding": "pad |",
    "ops.arrays.places":
        "argwhere compress extract flatnonzero nonzero ravel_multi_index unravel_index |",
    "ops.arrays.placing": "fill_diagonal put_along_axis |",
    "ops.arrays.resizing": "append delete insert resize trim_zeros |",
    "ops.arrays.splitting": "array_split block dsplit hsplit split unstack vsplit |",
    "ops.arrays.stacking":
        "atleast_1d atleast_2d atleast_3d column_stack dstack hstack vstack |",
    "ops.arrays.updates": "index_add index_apply index_set index_subtract | index_winners",
    "ops.effects": "after assert_ callback print_ |",
    "ops.fft.cosine": "fft.dct fft.dst fft.idct fft.idst | dct dst",
    "ops.fft.grids":
        "fft.fftfreq fft.fftshift fft.ifftshift fft.rfftfreq | fftshift ifftshift roll_half",
    "ops.fft.several":
        "fft.fft2 fft.fftn fft.ifft2 fft.ifftn fft.irfft2 fft.irfftn fft.rfft2 fft.rfftn | fft2 "
        "fftn ifft2 ifftn irfft2 irfftn rfft2 rfftn",
    "ops.fft.transforms":
        "fft.fft fft.hfft fft.ifft fft.ihfft fft.irfft fft.rfft | fft hfft ifft ihfft irfft rfft",
    "ops.filters.convolving": "signal.convolve signal.correlate signal.fftconvolve |",
    "ops.functions.aliases":
        "absolute acos acosh amax amin around asin asinh atan atan2 atanh bitwise_invert "
        "bitwise_left_shift bitwise_not bitwise_right_shift concat conjugate degrees mod "
        "permute_dims pow radians true_divide |",
    "ops.functions.arithmetic":
        "copysign divmod float_power fmax fmin fmod gcd heaviside lcm ldexp logaddexp2 |",
    "ops.functions.comparing":
        "allclose array_equal array_equiv isclose iscomplex iscomplexobj isneginf isposinf isreal "
        "isrealobj |",
    "ops.functions.convolution": "convolve correlate | convolve_full slide_product",
    "ops.functions.cross": "cross linalg.cross |",
    "ops.functions.interpolation": "interp |",
    "ops.functions.parts":
        "angle bitwise_count fix frexp modf nan_to_num nextafter real_if_close spacing unwrap | "
        "frexp_exponent modf_fraction",
    "ops.functions.polynomials": "polyadd polyder polydiv polyint polymul polysub polyval |",
    "ops.functions.roots": "poly polyfit roots vander | monic",
    "ops.functions.running": "cummax cummin | running_maximum running_minimum",
    "ops.functions.selecting":
        "choose piecewise select | choose_clip choose_raise choose_wrap",
    "ops.functions.sinc": "i0 sinc | bessel_in sinc_slope",
    "ops.functions.windows": "bartlett blackman hamming hanning kaiser |",
    "ops.linalg.bands":
        "linalg.solve_banded linalg.solve_toeplitz | solve_banded solve_toeplitz",
    "ops.linalg.chains": "linalg.matrix_power linalg.multi_dot | matrix_power multi_dot",
    "ops.linalg.cholesky": "linalg.cho_factor linalg.cho_solve linalg.cholesky | cholesky",
    "ops.linalg.determinants":
        "linalg.det linalg.slogdet | cofactor cofactor_slope det slogdet",
    "ops.linalg.eigen":
        "linalg.eig linalg.eigh linalg.eigvals linalg.eigvalsh | eig eigh eigvals eigvalsh",
    "ops.linalg.equations":
        "linalg.solve_continuous_lyapunov linalg.solve_discrete_lyapunov linalg.solve_sylvester | "
        "solve_discrete_lyapunov solve_sylvester",
    "ops.linalg.functions":
        "linalg.coshm linalg.cosm linalg.expm linalg.logm linalg.sinhm linalg.sinm linalg.sqrtm "
        "linalg.tanhm linalg.tanm | expm logm sqrtm",
    "ops.linalg.inverses":
        "linalg.pinv linalg.tensorinv linalg.tensorsolve | hermitian pinv tensorinv tensorsolve",
    "ops.linalg.lstsq": "linalg.lstsq | lstsq",
    "ops.linalg.norms":
        "linalg.cond linalg.matrix_norm linalg.norm linalg.vector_norm | cond matrix_norm norm "
        "vector_norm",
    "ops.linalg.polar": "linalg.polar | polar",
    "ops.linalg.qr": "linalg.qr | qr qr_complete qr_raw",
    "ops.linalg.structured":
        "linalg.block_diag linalg.circulant linalg.companion linalg.hankel linalg.khatri_rao "
        "linalg.toeplitz |",
    "ops.linalg.svd":
        "linalg.matrix_rank linalg.svd linalg.svdvals | largest matrix_rank svd svd_full svdvals",
    "ops.linalg.systems": "linalg.inv linalg.solve | inv inverse_or_nan solve",
    "ops.linalg.triangular":
        "linalg.lu linalg.lu_factor linalg.lu_solve linalg.solve_triangular | lu pivoted_rows "
        "solve_triangular",
    "ops.linalg.vectors": "linalg.diagonal linalg.outer linalg.trace |",
    "ops.logprod": "logprod |",
    "ops.nn.activations":
        "nn.celu nn.cross_entropy nn.elu nn.gelu nn.glu nn.hardsigmoid nn.hardsilu nn.hardswish "
        "nn.hardtanh nn.leaky_relu nn.log_sigmoid nn.log_softmax nn.logsumexp nn.mish nn.one_hot "
        "nn.prelu nn.relu nn.relu6 nn.selu nn.sigmoid nn.silu nn.softmax nn.softplus nn.softsign "
        "nn.swish nn.tanh |",
    "ops.nn.attention": "nn.attention nn.embedding |",
    "ops.nn.convolution": "nn.convolve1d nn.convolve2d nn.convolve3d nn.convolve_nd |",
    "ops.nn.losses":
        "nn.binary_cross_entropy nn.binary_cross_entropy_with_logits nn.cosine_similarity "
        "nn.hinge nn.huber nn.kl_div nn.mae nn.mse nn.nll |",
    "ops.nn.normalisation":
        "nn.batch_norm nn.dropout nn.group_norm nn.instance_norm nn.layer_norm nn.rms_norm |",
    "ops.nn.pooling":
        "nn.average_pool nn.global_average_pool nn.global_max_pool nn.max_pool | contiguous",
    "ops.products.einsum": "einsum |",
    "ops.products.vectors": "linalg.vecdot matvec vecdot vecmat |",
    "ops.random.arrays":
        "| random.choice random.choice_evenly random.permutation random.permuted",
    "ops.random.continuous":
        "| random.beta random.chisquare random.exponential random.f random.gamma random.gumbel "
        "random.laplace random.logistic random.lognormal random.normal random.pareto random.power "
        "random.random random.rayleigh random.standard_cauchy random.standard_exponential "
        "random.standard_gamma random.standard_normal random.standard_t random.triangular "
        "random.uniform random.vonmises random.wald random.weibull",
    "ops.random.discrete":
        "| random.binomial random.geometric random.hypergeometric random.integers "
        "random.logseries random.multinomial random.multivariate_hypergeometric "
        "random.negative_binomial random.poisson random.zipf",
    "ops.random.noncentral": "| random.noncentral_chisquare random.noncentral_f",
    "ops.random.vectors": "| random.dirichlet random.multivariate_normal",
    "ops.signal.placing": "| embed",
    "ops.signal.windows": "sliding_window_view | overlap_add slide",
    "ops.special.bessel":
        "special.airy special.i0 special.i0e special.i1 special.i1e special.iv special.ive "
        "special.j0 special.j1 special.jn special.jv special.jve special.k0 special.k0e "
        "special.k1 special.k1e special.kn special.kv special.kve special.spherical_in "
        "special.spherical_jn special.spherical_kn special.spherical_yn special.y0 special.y1 "
        "special.yn special.yv special.yve | airy_ai airy_aip airy_bi airy_bip",
    "ops.special.entropy":
        "special.boxcox special.boxcox1p special.entr special.huber special.inv_boxcox "
        "special.inv_boxcox1p special.kl_div special.rel_entr special.xlog1py special.xlogy | "
        "xdivy",
    "ops.special.error":
        "special.cbrt special.dawsn special.erf special.erfc special.erfcinv special.erfcx "
        "special.erfi special.erfinv special.exp2 special.expit special.expm1 special.log1mexp "
        "special.log1p special.log1pexp special.log_expit special.log_ndtr special.log_softmax "
        "special.logit special.logsumexp special.ndtr special.ndtri special.ndtri_exp "
        "special.softmax special.softplus |",
    "ops.special.gamma":
        "special.binom special.comb special.digamma special.factorial special.gamma "
        "special.gammaln special.gammasgn special.hurwitz_zeta special.loggamma "
        "special.multigammaln special.poch special.polygamma special.psi special.rgamma "
        "special.riemann_zeta special.zeta |",
    "ops.special.hypergeometric":
        "special.ellipe special.ellipk special.exprel special.hyp0f1 special.hyp1f1 "
        "special.hyp2f1 special.hyperu special.spence |",
    "ops.special.incomplete":
        "special.beta special.betainc special.betaincc special.betainccinv special.betaincinv "
        "special.betaln special.gammainc special.gammaincc special.gammainccinv "
        "special.gammaincinv special.stdtr special.stdtrit | beta_moment gamma_moment t_drift",
    "ops.special.others":
        "special.exp1 special.expi special.expn special.lambertw special.owens_t special.sici | "
        "cosine_integral lambertw sine_integral",
    "ops.statistics.averages": "average count_nonzero ptp |",
    "ops.statistics.counts": "bincount | bin_of counts estimated_edges even_edges",
    "ops.statistics.differences": "diff ediff1d gradient trapezoid trapz |",
    "ops.statistics.histograms": "histogram histogram2d histogram_bin_edges histogramdd |",
    "ops.statistics.moments": "corrcoef cov |",
    "ops.statistics.nan":
        "nanargmax nanargmin nanmax nanmean nanmin nanprod nanstd nansum nanvar |",
    "ops.statistics.orders": "| argsort lexsort permute sort",
    "ops.statistics.quantiles":
        "median nanmedian nanpercentile nanquantile percentile quantile |",
    "ops.statistics.scans":
        "cumprod cumulative_prod cumulative_sum nancumprod nancumsum | recurrence shift",
    "ops.statistics.searching": "digitize searchsorted |",
    "ops.statistics.sets":
        "in1d intersect1d isin setdiff1d setxor1d union1d unique unique_all unique_counts "
        "unique_inverse unique_values | intersection row_order",
    "ops.statistics.sorting":
        "argpartition argsort argtopk lexsort partition sort sort_complex take_along_axis topk |",
    "ops.stats.counts":
        "stats.bernoulli.cdf stats.bernoulli.entropy stats.bernoulli.logcdf "
        "stats.bernoulli.logpmf stats.bernoulli.logsf stats.bernoulli.mean stats.bernoulli.pmf "
        "stats.bernoulli.sf stats.bernoulli.var stats.binom.cdf stats.binom.logcdf "
        "stats.binom.logpmf stats.binom.logsf stats.binom.mean stats.binom.pmf stats.binom.sf "
        "stats.binom.var stats.geom.cdf stats.geom.logcdf stats.geom.logpmf stats.geom.logsf "
        "stats.geom.mean stats.geom.pmf stats.geom.sf stats.geom.var stats.nbinom.cdf "
        "stats.nbinom.logcdf stats.nbinom.logpmf stats.nbinom.logsf stats.nbinom.mean "
        "stats.nbinom.pmf stats.nbinom.sf stats.nbinom.var stats.poisson.cdf stats.poisson.logcdf "
        "stats.poisson.logpmf stats.poisson.logsf stats.poisson.mean stats.poisson.pmf "
        "stats.poisson.sf stats.poisson.var |",
    "ops.stats.declare": "| stats.count",
    "ops.stats.line":
        "stats.cauchy.cdf stats.cauchy.entropy stats.cauchy.logcdf stats.cauchy.logpdf "
        "stats.cauchy.logsf stats.cauchy.pdf stats.cauchy.ppf stats.cauchy.sf stats.expon.cdf "
        "stats.expon.entropy stats.expon.logcdf stats.expon.logpdf stats.expon.logsf "
        "stats.expon.mean stats.expon.pdf stats.expon.ppf stats.expon.sf stats.expon.var "
        "stats.gumbel_r.cdf stats.gumbel_r.entropy stats.gumbel_r.logcdf stats.gumbel_r.logpdf "
        "stats.gumbel_r.logsf stats.gumbel_r.mean stats.gumbel_r.pdf stats.gumbel_r.ppf "
        "stats.gumbel_r.sf stats.gumbel_r.var stats.halfcauchy.cdf stats.halfcauchy.entropy "
        "stats.halfcauchy.logcdf stats.halfcauchy.logpdf stats.halfcauchy.logsf "
        "stats.halfcauchy.pdf stats.halfcauchy.ppf stats.halfcauchy.sf stats.halfnorm.cdf "
        "stats.halfnorm.entropy stats.halfnorm.logcdf stats.halfnorm.logpdf stats.halfnorm.logsf "
        "stats.halfnorm.mean stats.halfnorm.pdf stats.halfnorm.ppf stats.halfnorm.sf "
        "stats.halfnorm.var stats.laplace.cdf stats.laplace.entropy stats.laplace.logcdf "
        "stats.laplace.logpdf stats.laplace.logsf stats.laplace.mean stats.laplace.pdf "
        "stats.laplace.ppf stats.laplace.sf stats.laplace.var stats.logistic.cdf "
        "stats.logistic.entropy stats.logistic.logcdf stats.logistic.logpdf stats.logistic.logsf "
        "stats.logistic.mean stats.logistic.pdf stats.logistic.ppf stats.logistic.sf "
        "stats.logistic.var stats.lognorm.cdf stats.lognorm.entropy stats.lognorm.logcdf "
        "stats.lognorm.logpdf stats.lognorm.logsf stats.lognorm.mean stats.lognorm.pdf "
        "stats.lognorm.ppf stats.lognorm.sf stats.lognorm.var stats.norm.cdf stats.norm.entropy "
        "stats.norm.logcdf stats.norm.logpdf stats.norm.logsf stats.norm.mean stats.norm.pdf "
        "stats.norm.ppf stats.norm.sf stats.norm.var stats.truncnorm.cdf stats.truncnorm.entropy "
        "stats.truncnorm.logcdf stats.truncnorm.logpdf stats.truncnorm.logsf stats.truncnorm.mean "
        "stats.truncnorm.pdf stats.truncnorm.ppf stats.truncnorm.sf stats.truncnorm.var "
        "stats.uniform.cdf stats.uniform.entropy stats.uniform.logcdf stats.uniform.logpdf "
        "stats.uniform.logsf stats.uniform.mean stats.uniform.pdf stats.uniform.ppf "
        "stats.uniform.sf stats.uniform.var stats.vonmises.entropy stats.vonmises.logpdf "
        "stats.vonmises.pdf |",
    "ops.stats.multivariate":
        "stats.dirichlet.entropy stats.dirichlet.logpdf stats.dirichlet.mean stats.dirichlet.var "
        "stats.multinomial.logpmf stats.multivariate_normal.logpdf stats.multivariate_normal.pdf "
        "stats.wishart.logpdf |",
    "ops.stats.shaped":
        "stats.beta.cdf stats.beta.entropy stats.beta.logcdf stats.beta.logpdf stats.beta.logsf "
        "stats.beta.mean stats.beta.pdf stats.beta.ppf stats.beta.sf stats.beta.var "
        "stats.chi2.cdf stats.chi2.entropy stats.chi2.logcdf stats.chi2.logpdf stats.chi2.logsf "
        "stats.chi2.mean stats.chi2.pdf stats.chi2.ppf stats.chi2.sf stats.chi2.var stats.f.cdf "
        "stats.f.entropy stats.f.logcdf stats.f.logpdf stats.f.logsf stats.f.mean stats.f.pdf "
        "stats.f.ppf stats.f.sf stats.f.var stats.gamma.cdf stats.gamma.entropy "
        "stats.gamma.logcdf stats.gamma.logpdf stats.gamma.logsf stats.gamma.mean stats.gamma.pdf "
        "stats.gamma.ppf stats.gamma.sf stats.gamma.var stats.invgamma.cdf stats.invgamma.entropy "
        "stats.invgamma.logcdf stats.invgamma.logpdf stats.invgamma.logsf stats.invgamma.mean "
        "stats.invgamma.pdf stats.invgamma.ppf stats.invgamma.sf stats.invgamma.var "
        "stats.pareto.cdf stats.pareto.entropy stats.pareto.logcdf stats.pareto.logpdf "
        "stats.pareto.logsf stats.pareto.mean stats.pareto.pdf stats.pareto.ppf stats.pareto.sf "
        "stats.pareto.var stats.t.cdf stats.t.entropy stats.t.logcdf stats.t.logpdf stats.t.logsf "
        "stats.t.mean stats.t.pdf stats.t.ppf stats.t.sf stats.t.var stats.weibull_min.cdf "
        "stats.weibull_min.entropy stats.weibull_min.logcdf stats.weibull_min.logpdf "
        "stats.weibull_min.logsf stats.weibull_min.mean stats.weibull_min.pdf "
        "stats.weibull_min.ppf stats.weibull_min.sf stats.weibull_min.var |",
}
