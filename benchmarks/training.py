"""Training: `fit` and `fit_ensemble` against PyTorch loops, in the setting of the study this project builds on.

    python -m benchmarks.training [--out benchmarks/results/training.json] [--quick]

10,000 samples of six standardized states, 6-128-64-3-64-128-6 units, Adam 1e-3, batches of 32. Everything is timed
in a process with one JAX device, and on a CPU again in a process with two, over which an ensemble is shared out; the
PyTorch loops take part in both.
"""

import itertools
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import diffrax
import jax
import numpy as np

import jrae_jax as jrae

from .timing import (
    REPEATS,
    TORCH_DEVICE,
    Contender,
    Measured,
    arguments_parser,
    environment,
    run_apart,
    time_in_turns,
    times_slower,
    torch,
    write,
)

SAMPLES, BATCH, LEARNING_RATE = 10_000, 32, 1e-3
LOSS = jrae.ReconstructionLoss.observed()
WIDTHS = (6, 128, 64, 3, 64, 128, 6)
EPOCHS, STUDY_EPOCHS = 5, 50  # in one timed run; in the run that the final loss is from
ENSEMBLES = (10, 30)


def study_dataset() -> jrae.Dataset:
    """The study's run: forward Euler at 1 ms from zero, p uniform in [120, 320] and redrawn at every step."""
    column = jrae.Column.preset("jansen_rit_1995", jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3))
    solver = diffrax.Euler()
    trajectory = jrae.simulate(column, t1=SAMPLES * 1e-3, dt=1e-3, solver=solver, key=jax.random.key(0))
    return jrae.make_dataset(trajectory, observed=jrae.recording.FULL, held_out=0)


# Ours.


def fit_one(dataset: jrae.Dataset, epochs: int) -> list[float]:
    """The last training loss of one model."""
    autoencoder = jrae.Autoencoder(inputs=jrae.column.STATES, key=jax.random.key(1))
    training = jrae.train(autoencoder, dataset, key=jax.random.key(2), loss=LOSS, epochs=epochs, batch_size=BATCH)
    return [float(training.train_loss[-1])]


def fit_many(dataset: jrae.Dataset, members: int, epochs: int) -> list[float]:
    """The last training loss of each member of an ensemble."""
    weight_keys, keys = (jax.random.split(jax.random.key(seed), members) for seed in (1, 2))
    autoencoders = [jrae.Autoencoder(inputs=jrae.column.STATES, key=key) for key in weight_keys]
    trainings = jrae.train_ensemble(autoencoders, dataset, keys=keys, loss=LOSS, epochs=epochs, batch_size=BATCH)
    return [float(training.train_loss[-1]) for training in trainings]


# The rivals.


def torch_network() -> Any:
    """The study's network, initialized as PyTorch does."""
    torch.manual_seed(0)
    layers = []
    for fan_in, fan_out in itertools.pairwise(WIDTHS):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    del layers[-1], layers[5]  # latent and output are linear
    return torch.nn.Sequential(*layers).to(TORCH_DEVICE)


def torch_as_published(samples: Any, threads: int, epochs: int) -> list[float]:
    """The loop as the study has it."""
    torch.set_num_threads(threads)
    data = torch.utils.data.TensorDataset(samples, samples)
    loader = torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True)
    network, criterion = torch_network(), torch.nn.MSELoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    loss_of_epoch = 0.0
    for _ in range(epochs):
        running_loss = 0.0
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = criterion(network(inputs), targets)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        loss_of_epoch = running_loss / len(loader)
    return [loss_of_epoch]


def torch_tuned(samples: Any, threads: int, epochs: int) -> list[float]:
    """The same learning without what costs time: no DataLoader, fused Adam, no loss read before the epoch ends."""
    torch.set_num_threads(threads)
    network, criterion = torch_network(), torch.nn.MSELoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, fused=True)
    total = torch.zeros(())
    for _ in range(epochs):
        total = torch.zeros((), device=TORCH_DEVICE)
        for rows in torch.randperm(SAMPLES, device=TORCH_DEVICE).split(BATCH):
            batch = samples[rows]
            optimizer.zero_grad()
            loss = criterion(network(batch), batch)
            loss.backward()
            optimizer.step()
            total += loss.detach()
    return [total.item() / -(-SAMPLES // BATCH)]


# The comparison.


def contenders(epochs: int, ensembles: tuple[int, ...]) -> list[Contender]:
    """One model of ours first; every run gives the final loss of each model that it trained."""
    dataset = study_dataset()

    def contender(name: str, run: Callable[..., Any], *arguments: Any, models: int = 1, compiled: bool = False):
        return Contender({"name": name, "models": models, "epochs": epochs}, partial(run, *arguments, epochs), compiled)

    ours = [contender("fit", fit_one, dataset, compiled=True)]
    for members in ensembles:
        ours.append(contender("fit_ensemble", fit_many, dataset, members, models=members, compiled=True))
    if torch is None:
        return ours
    states = np.asarray(dataset.standardizer.standardize(dataset.train.recording.values))[0, :, :6]
    samples, default = torch.tensor(states, device=TORCH_DEVICE), torch.get_num_threads()
    loops = [(threads, "as published", torch_as_published) for threads in sorted({1, default})]
    loops += [(threads, "tuned", torch_tuned) for threads in sorted({1, min(2, default)})]
    rivals = [
        contender(f"PyTorch, {kind}, threads: {threads}", loop, samples, threads) for threads, kind, loop in loops
    ]
    return [*ours, *rivals]


def compare(quick: bool) -> list[dict[str, Any]]:
    """Time all in turn; and train each once for as long as the study did."""
    ensembles = ENSEMBLES[:1] if quick else ENSEMBLES
    epochs, study_epochs = (2, 4) if quick else (EPOCHS, STUDY_EPOCHS)
    timed = time_in_turns(contenders(epochs, ensembles), repeats=2 if quick else REPEATS)
    full = {shown(contender): contender.run() for contender in contenders(study_epochs, ensembles[:1])}
    return [row(run, timed[0], full.get(shown(run.contender), []), study_epochs) for run in timed]


def shown(contender: Contender) -> tuple[str, int]:
    """What a contender is known by, however long it trains."""
    return contender.labels["name"], contender.labels["models"]


def row(measured: Measured, one: Measured, losses: list[float], study_epochs: int) -> dict[str, Any]:
    """One row of the results; `losses` are those of each model after the study's epochs, where that was run."""
    each, of_one = seconds_per_epoch(measured), seconds_per_epoch(one)
    finite = [loss for loss in losses if np.isfinite(loss)]
    return measured.row(
        ms_per_epoch_and_model=1e3 * statistics.median(each),
        times_slower_than_fit=times_slower(each, of_one),
        loss_epochs=study_epochs,
        final_loss={"median": statistics.median(finite), "min": min(finite), "max": max(finite)} if finite else None,
        failures=sum(not np.isfinite(loss) for loss in [*measured.outcome, *losses]),
    )


def seconds_per_epoch(measured: Measured) -> list[float]:
    """Of one model, in each repeat."""
    shared = measured.contender.labels["epochs"] * measured.contender.labels["models"]
    return [seconds / shared for seconds in measured.timing.seconds]


def run_here(devices: int, quick: bool) -> dict[str, Any]:
    """The comparison in this process."""
    jax.config.update("jax_num_cpu_devices", devices)
    return {"environment": environment(), "rows": compare(quick)}


def main() -> None:
    """Run with one device, and on a CPU with two, and write the results."""
    parser = arguments_parser(__doc__, __file__)
    parser.add_argument("--devices", type=int, help="run in this process, with so many JAX CPU devices")
    arguments = parser.parse_args()
    if arguments.devices is not None:
        runs = [run_here(arguments.devices, arguments.quick)]
    else:
        runs = run_apart("benchmarks.training", "--devices", "1", quick=arguments.quick)["runs"]
        if runs[0]["environment"]["jax_platform"] == "cpu":
            runs += run_apart("benchmarks.training", "--devices", "2", quick=arguments.quick)["runs"]
    sizes = {"samples": SAMPLES, "batch": BATCH, "widths": WIDTHS, "learning_rate": LEARNING_RATE}
    write({"quick": arguments.quick, "dtype": "float32", "sizes": sizes, "runs": runs}, arguments.out)


if __name__ == "__main__":
    main()
