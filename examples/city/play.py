"""Three states and a regional authority answer one question about the smoke of August 2015.

Starts four `entente` nodes as processes on the loopback address, links them by real invitations,
has agreements signed, loads each state's own readings at that state, and asks at the authority.
Only the command line of the product is used; run it through examples/run city.
"""

import sys
import time
from pathlib import Path

from federation import ENTENTE, Failed, agree, link, main, say, show, stay_up

HERE = Path(__file__).resolve().parent
STATES = {"washington": ("WA", "Washington State"), "oregon": ("OR", "State of Oregon"),
          "idaho": ("ID", "State of Idaho")}
TITLES = {**{name: title for name, (_, title) in STATES.items()},
          "airshed": "Northwest airshed authority"}
WORST, ORDINARY = "'2015-08-23' .. '2015-08-24'", "'2015-08-10' .. '2015-08-11'"
EARLIER = "'2015-08-16' .. '2015-08-17'"
# One monitor of each state that stood in the smoke.
WATCHED = {"washington": "70de0a70970655a0_530630047_04",
           "oregon": "6c906c6d1cf46b53_410597002_02", "idaho": "d01b991c53583048_160690012_03"}
SMOKE_FROM = "2015-08-10"
WITH = "WITH (epsilon = 4, purpose = 'planning')"


def load(state):
    state.json("type", "apply", str(HERE / "air-monitor.json"))
    state.json("twin", "apply", str(HERE / state.name / "monitors.toml"))
    done = state.json("ingest", str(HERE / state.name / "pm25.csv"), "--map",
                      str(HERE / state.name / "readings.map.toml"))
    twins = len(state.json("twin", "list", "--limit", "1000")["items"])
    say(f"  {state.name:<11} {twins} monitors, {done['accepted']:,} readings, all of them kept at home")


def exact_rows(states, question):
    """What only the demonstration can know: the exact answer of each state whose node is up."""
    rows = {}
    for state in states.values():
        if state.running():
            answer = state.json("ask", question.replace("FROM smoke", "FROM air"))
            for row in answer["rows"]:
                rows[tuple(row["group"])] = row["values"][0]["value"]
    return rows


def exact_total(states, question, label):
    """The exact figure over all of them, by adding up or by weighting with the monitors' number."""
    rows = exact_rows(states, question)
    if label.startswith(("count", "sum")):
        return sum(rows.values())
    counted = exact_rows(states, question.replace(label, "count(pm25 >= 0)"))
    return sum(rows[key] * counted[key] for key in rows) / sum(counted.values())


def ask(authority, states, title, question):
    say(f"\n{title}\n  {question}")
    code, answer, _ = authority.run("ask", question, check=False)
    if "error" in answer:
        say(f"    refused, exit code {code}: {answer['error']['code']} {answer['error']['what']}")
        return code, answer
    exact = exact_rows(states, question)
    label = answer["items"][0]["label"]
    digits = 2 if label.startswith("share") else 1
    say(f"    {'state':<7}{label:>22}{'95 % range':>20}{'exact (demo only)':>20}")
    for row in answer["rows"]:
        value = row["values"][0]
        total = row.get("total", False)
        name = "all" if total else row["group"][0]
        known = exact_total(states, question, label) if total else exact.get(tuple(row["group"]))
        if value is None:
            say(f"    {name:<7}{'nobody answered':>22}")
            continue
        span = f"{show(value['lower'], digits)} to {show(value['upper'], digits)}"
        say(f"    {name:<7}{show(value['value'], digits):>22}{span:>20}{show(known, digits):>20}")
    for member in answer["coverage"]:
        if member["state"] == "answered":
            cost = "free, an earlier release" if member["reused"] and not member["charged"]["epsilon"] \
                else f"epsilon {member['charged']['epsilon']:.2f}"
            say(f"    {member['organisation']:<11} answered; charged {cost}; left of that day: "
                f"{member['left']['percent']:.0f} % (epsilon {member['left']['epsilon']:.2f})")
        else:
            say(f"    {member['organisation']:<11} {member['state']}: {member.get('reason', '')}")
    return code, answer


def distribution(authority, day):
    """One charge for two items: where the middle lies, and how the monitors spread."""
    question = f"SELECT median(pm25), histogram(pm25, [0, 12, 35.4, 55.4, 200]) FROM smoke OVER {day} {WITH}"
    say(f"\nHow clean was the air a week earlier? Monitors of all states by their daily mean\n  {question}")
    answer = authority.json("ask", question)
    median, histogram = answer["rows"][0]["values"]
    say(f"    median    {show(median['value'])} ug/m3, 95 % range {show(median['lower'])} to "
        f"{show(median['upper'])}")
    for one in histogram["bins"]:
        say(f"    {show(one['from']):>6} to {show(one['to']):>6}  {show(one['value']):>6} monitors, 95 % range "
            f"{show(one['lower'])} to {show(one['upper'])}")


def figures(answer):
    return [(row["group"], row["values"]) for row in answer["rows"]]


def questions(authority, states, started):
    by_state = f"GROUP BY state OVER {WORST} {WITH}"
    ask(authority, states, "The worst day: how many monitors had a daily mean above 55.5 ug/m3?",
        f"SELECT count(pm25 > 55.5) FROM smoke {by_state}")
    say(f"\nFirst answer {time.monotonic() - started:.1f} s after the nodes were started.")
    mean = f"SELECT mean(pm25) FROM smoke {by_state}"
    _, first = ask(authority, states, "The worst day: mean PM2.5 by state, and over all", mean)
    ask(authority, states, "An ordinary day: the same",
        f"SELECT mean(pm25) FROM smoke GROUP BY state OVER {ORDINARY} {WITH}")
    _, again = ask(authority, states, "The worst day again: the same figures, free", mean)
    if figures(first) != figures(again):
        raise Failed("a repeated question gave other figures")
    code, _ = ask(authority, states, "Too small a group (King county has 8 monitors) is refused",
                  f"SELECT mean(pm25) FROM smoke WHERE county = 'King' OVER {WORST} {WITH}")
    if code != 4:
        raise Failed(f"a group below the minimum ended with {code}")
    ask(authority, states, "A third new question about that day still fits",
        f"SELECT share(pm25 > 35.4) FROM smoke {by_state}")
    code, _ = ask(authority, states, "A fourth does not: the day's budget is spent",
                  f"SELECT sum(pm25) FROM smoke {by_state}")
    if code != 5:
        raise Failed(f"a question beyond the budget ended with {code}")
    distribution(authority, EARLIER)
    states["oregon"].stop()
    code, _ = ask(authority, states, "Oregon's node is stopped: the others answer, Oregon is named",
                  f"SELECT count(pm25 > 35.4) FROM smoke GROUP BY state OVER {ORDINARY} {WITH}")
    if code != 6:
        raise Failed(f"a partial answer ended with {code}")
    states["oregon"].start()


def watch(state):
    """What the state's own node finds unusual at one of its monitors: a detector, made and applied."""
    monitor = WATCHED[state.name]
    definition = state.home / "unusual.toml"
    state.json("model", "identify", monitor, "--anomalies", "--out", str(definition))
    state.json("model", "apply", str(definition))
    found = state.json("twin", "anomalies", monitor, "--since", SMOKE_FROM)["items"]
    say(f"  {state.name:<11} monitor {monitor[:6]}: " + (", ".join(
        f"{one['time'][5:16].replace('T', ' ')} {show(one['value'])} (usually "
        f"{show(one['expected'], 0)})" for one in reversed(found)) or "nothing unusual"))


def play(nodes, root, once):
    started = time.monotonic()
    authority = nodes["airshed"]
    states = {name: nodes[name] for name in STATES}
    say(f"Entente: four organisations, four processes, under {root}")
    for node in nodes.values():
        node.init()
        node.start()
    for state in states.values():
        words = link(authority, state)
        say(f"  {state.name:<11} linked to airshed   words: {words}")
    for state in states.values():
        load(state)
    for state in states.values():
        agree(state, authority, HERE / state.name / "agreement.toml")
        say(f"  {state.name:<11} agreement smoke-2015 signed by both: count, share, sum, mean, "
            "median, histogram; at least 10 monitors; epsilon 8 a day")
    questions(authority, states, started)
    say("\nEach state's own models, on its own readings: unusual PM2.5 (ug/m3) at one monitor, "
        f"from {SMOKE_FROM} on")
    for state in states.values():
        watch(state)
    say("\nAll answers came with protected figures only; no reading left its state.")
    if not once:
        stay_up("Try, in another terminal:\n"
                f"  {ENTENTE} --home {authority.home} ask \"SELECT mean(pm25) FROM smoke GROUP BY "
                "state OVER '2015-08-24' .. '2015-08-25' WITH (epsilon = 2, purpose = "
                "'planning')\"\n"
                f"  {ENTENTE} --home {states['washington'].home} budget show")


if __name__ == "__main__":
    sys.exit(main("city", __doc__.splitlines()[0], TITLES, HERE, play))
