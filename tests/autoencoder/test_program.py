"""How training is compiled, which is seen in nothing but its time and the last bits."""

import jax
import pytest

from jrae_jax.autoencoder import Autoencoder, program, train_ensemble

VECTORS, ONE_THREAD = {"xla_cpu_prefer_vector_width": 512}, {"xla_cpu_multi_thread_eigen": False}


@pytest.mark.parametrize(
    ("members", "cores", "expected"),
    [(1, 2, VECTORS), (2, 2, VECTORS | ONE_THREAD), (3, 4, VECTORS), (1, 1, VECTORS | ONE_THREAD)],
)
def test_products_of_matrices_are_divided_where_there_are_more_cores_than_devices(
    monkeypatch, members, cores, expected
):
    monkeypatch.setattr(program, "cores", lambda: cores)
    assert jax.device_count() > 1
    assert program.compiler_options(program.mesh_of(members)) == expected


def test_a_training_is_compiled_with_its_options(dataset, monkeypatch):
    monkeypatch.setattr(program, "compiler_options", lambda mesh: {f"no_option_for_{mesh.size}": True})
    autoencoders = [Autoencoder(latent_size=2, widths=(5,), key=jax.random.key(seed)) for seed in range(2)]
    with pytest.raises(jax.errors.JaxRuntimeError, match="No such compile option: 'no_option_for_2'"):
        train_ensemble(autoencoders, dataset(), keys=jax.random.split(jax.random.key(0)), batch_size=8)
