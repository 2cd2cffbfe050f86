# SPDX-License-Identifier: Apache-2.0
"""The tables of a run, and what follows from them for a large cluster."""

LARGE = 5000

# heading of two lines, width, decimals, value
COLUMNS = (("", "s", 6, 0, lambda f: f.seconds),
           ("CPU", "s", 7, 2, lambda f: f.cpu), ("CPU", "s/min", 7, 2, lambda f: f.cpu_per_minute),
           ("RSS", "MiB", 6, 0, lambda f: f.memory), ("", "watches", 9, 0, lambda f: f.watches),
           ("of them", "events", 8, 0, lambda f: f.event_watches), ("sent", "MiB", 8, 1, lambda f: f.sent),
           ("etcd's", "CPU s", 8, 2, lambda f: f.etcd_cpu))
AGENT = (("agent:", "KiB read", 11, 1, lambda f: f.agent.received), ("CPU", "ms", 7, 1, lambda f: f.agent.cpu),
         ("private", "MiB", 9, 1, lambda f: f.agent.private), ("RSS", "MiB", 5, 0, lambda f: f.agent.resident))


def print_phases(title, phases):
    """`phases`: {name: Figures}. The columns are the API server's, then etcd's, then those of the median agent."""
    with_agents = any(figures.agent for figures in phases.values())
    columns = (*COLUMNS, *(AGENT if with_agents else ()))
    print(f"\n{title}")
    for line in (0, 1):
        print(f"  {('', 'phase')[line]:<13}" + "".join(f"{column[line]:>{column[2]}}" for column in columns))
    for name, figures in phases.items():
        values = "".join(f"{value(figures):>{width}.{decimals}f}" for _, _, width, decimals, value in columns)
        print(f"  {name:<13}{values}   {figures.note}".rstrip(), flush=True)


COMPARED = (("idle: watches", "", "idle", lambda f: f.watches),
            ("idle: CPU", "s/min", "idle", lambda f: f.cpu_per_minute),
            ("restart: CPU", "s", "restart", lambda f: f.cpu),
            ("restart: memory", "MiB", "restart", lambda f: f.memory),
            ("restart: sent", "MiB", "restart", lambda f: f.sent),
            ("10 % failing: CPU", "s", "10 % failing", lambda f: f.cpu),
            ("10 % failing: CPU of etcd", "s", "10 % failing", lambda f: f.etcd_cpu),
            ("10 % failing: sent", "MiB", "10 % failing", lambda f: f.sent))
NOISE = 0.05  # a difference that is a smaller part of what it costs without is no difference


def significant(difference, without):
    return abs(difference) > NOISE * without


def print_comparison(nodes, nobody, kubelets, agents):
    """What kubelets' watches add to the API server's cost without any, and what agents add to it."""
    print(f"\nThe API server with {nodes} nodes: what the watches of kubelets add, and what agents add\n"
          f"  {'':<34} without  kubelets    agents  agents / kubelets")
    for what, unit, phase, value in COMPARED:
        without, theirs, ours = (value(bench.phases[phase]) for bench in (nobody, kubelets, agents))
        _print_added(what, unit, without, theirs - without, ours - without)
    _print_added("rollout: CPU for each pod", "ms", agents.pair[0], kubelets.pair[1] - kubelets.pair[0],
                 agents.pair[1] - agents.pair[0])
    leases = kubelets.phases["idle, leases"].cpu_per_minute - kubelets.phases["idle"].cpu_per_minute
    print("  The kubelets' writes are in all columns, except the renewal of their leases, each every 10 s: "
          f"{leases:+.2f} s of CPU\n  a minute.", flush=True)


def _print_added(what, unit, without, theirs, ours):
    part = f"{ours / theirs * 100:>17.0f} %" if theirs > 0 and significant(theirs, without) else f"{'-':>19}"
    print(f"  {what:<28} {unit:<5} {without:>7.2f} {theirs:>+9.2f} {ours:>+9.2f}{part}")


def print_computed(nodes, pods, nobody, agents):
    """What grows with the number of agents, taken from the difference at `nodes`."""
    def added(phase, field, unit):
        without = getattr(nobody.phases[phase], field)
        return proportional(getattr(agents.phases[phase], field) - without, without, unit)

    def proportional(difference, without, unit):
        if not significant(difference, without):
            return f"too little {unit} to be measured"
        return f"{difference / nodes * LARGE:+,.0f} {unit}"

    without, watched = (ms / 1000 * nodes * pods for ms in agents.pair)
    rollout = proportional(watched - without, without, "s of CPU")
    events = agents.phases["10 % failing"].agent.received / (nodes * max(1, pods // 10))
    print(f"\nComputed, not measured: the API server with {LARGE:,} agents, if each adds what it adds at {nodes}\n"
          f"  idle: {added('idle', 'watches', 'watches')}, {added('idle', 'cpu_per_minute', 's of CPU a minute')}\n"
          f"  all start: {agents.phases['start'].cpu / nodes * LARGE:+,.0f} s of CPU\n"
          f"  restart: {added('restart', 'cpu', 's of CPU')}, {added('restart', 'memory', 'MiB of memory')}, "
          f"{added('restart', 'sent', 'MiB sent')}\n"
          f"  rollout of all {LARGE * pods:,} pods: {rollout}\n"
          "  Failures are not proportional: where pods of many nodes fail in one namespace, each of these agents reads "
          f"the\n  Events of all of them, here {events:.1f} KiB for each failing pod, and LIMIT_EVENT_BUDGET at most.",
          flush=True)
