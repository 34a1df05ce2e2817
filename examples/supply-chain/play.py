"""Makers, carriers, a distribution centre and a buyer's agency share one picture of deliveries.

Starts six `entente` nodes as processes on the loopback address, links them by real invitations,
has agreements signed, loads each organisation's own deliveries at that organisation, and asks at
the agency: what it asks travels to the centre and from there to the makers and carriers. Only the
command line of the product is used; run it through examples/run supply-chain.
"""

import sys
import textwrap
import time
from datetime import date, timedelta
from pathlib import Path

from federation import ENTENTE, Failed, agree, link, main, say, show, stay_up, until
from truth import Records

HERE = Path(__file__).resolve().parent
TITLES = {"generics": "Makers of generic medicines", "diagnostics": "Makers of tests",
          "airline": "Air carrier", "haulier": "Road carrier",
          "centre": "Regional distribution centre", "agency": "South Africa's buying agency"}
MEMBERS = ("generics", "diagnostics", "airline", "haulier")  # of the centre's composites
MAKERS = ("generics", "diagnostics")
YEARS = ("2009-01-01", "2012-12-27")  # 208 weeks
# Of 52 weeks each.
YEAR_2009, YEAR_2011, YEAR_2012 = (("2009-01-01", "2009-12-31"), ("2010-12-30", "2011-12-29"),
                                   ("2011-12-29", "2012-12-27"))
EPSILON = 3
LATE = "delay > 7"
QUARTER, QUARTERS = timedelta(weeks=13), 12


def over(window):
    return f"OVER '{window[0]}' .. '{window[1]}'"


def within(epsilon=EPSILON):
    return f"WITH (epsilon = {epsilon}, purpose = 'planning')"


def wrapped(text, indent="  "):
    return textwrap.fill(text, 100, initial_indent=indent, subsequent_indent=indent)


class Planner:
    """Asks at one node and sets the answers beside what only the demonstration can know."""

    def __init__(self, node, records):
        self.node = node
        self.records = records

    def ask(self, title, question, window, keys=(), *, chosen=lambda line: True, digits=1, unit="",
            drowned=None, merged=False, expected=0):
        """Asks, prints and returns the answer; another exit code than `expected` ends the play.

        `chosen` says which lines the question is about; figures whose range is wider than `drowned`
        are marked, or wider than the figure itself where nothing is said. `merged`: the asked
        system twin answers for itself.
        """
        say(f"\n{wrapped(title, '')}\n{wrapped(question, '    ')}")
        code, answer, words = self.node.run("ask", question, check=False)
        if code != expected:
            raise Failed(f"{question}\nended with {code} instead of {expected}\n{words}")
        if "error" in answer:
            say(wrapped(f"refused, exit code {code}: {answer['error']['code']} "
                        f"{answer['error']['what']}"))
            return answer
        item = answer["items"][0]["label"]
        true = self.records.figures(item, window, chosen, keys)
        true["all",] = self.records.figures(item, window, chosen)[()]
        label = item + (", " + unit if unit else "")
        say(f"  {', '.join(keys):<23}{label:>27}{'95 % range':>26}{'true (demo only)':>18}"
            f"{'lines':>6}")
        marks = []
        for row in answer["rows"]:
            group = ("all",) if row["total"] or not row["group"] else tuple(row["group"])
            known, lines = true.get(group, (None, 0))
            value = row["values"][0]
            marks.append("~" if is_drowned(value, drowned) else " ")
            say(f"{marks[-1]} {', '.join(group):<23}{figures(value, digits)}"
                f"{show(known, digits):>18}{lines:>6}")
        if "~" in marks:
            say("  ~ few lines, much noise: the range is too wide to plan with")
        self.coverage(answer, merged)
        return answer

    @staticmethod
    def coverage(answer, merged):
        """Who answered, by whose hands the answer went, and what it cost."""
        for member in answer["coverage"]:
            name = member["organisation"]
            if member["state"] != "answered":
                say(f"  {name:<20} {member['state']}: {member.get('reason', '')}")
                continue
            say(f"  {name:<20} {way(member, merged)}; {cost(member)}")


def figures(value, digits):
    if value is None:
        return f"{'nobody answered':>27}{'':>26}"
    span = f"{show(value['lower'], digits)} to {show(value['upper'], digits)}"
    return f"{show(value['value'], digits):>27}{span:>26}"


def is_drowned(value, limit):
    if value is None:
        return False
    if None in (value["value"], value["lower"], value["upper"]):
        return True
    return value["upper"] - value["lower"] > (value["value"] if limit is None else limit)


def way(member, merged):
    between = member["organisation"].rpartition("/")[0]
    if merged:
        return f"answered, added up by {between}"
    if member["vouched"]:
        return f"answered, read and vouched for by {between}"
    return "answered, sealed to the asker" if between else "answered"


def cost(member):
    blocks = member["charged"]["blocks"]
    if member["reused"] and not member["charged"]["epsilon"]:
        return "free, an earlier release"
    for_ever = member["left"] is None or member["left"]["block"] == "lifetime"
    charged = f"epsilon {member['charged']['epsilon']:.2f}"
    charged += " for ever" if for_ever else f" in each of {len(blocks)} weeks"
    left = member["left"]
    return charged if left is None else f"{charged}, {left['percent']:.0f} % left"


def tree(records):
    lines = {name: records.lines_of(name) for name in TITLES}
    say(f"""
  agency   supply ---+--- purchases            {lines['agency']:>4} lines of its own
                     +--- deliveries@centre
                            +--- lines@generics     {lines['generics']:>4} lines
                            +--- lines@diagnostics  {lines['diagnostics']:>4} lines
                            +--- lanes@airline      {lines['airline']:>4} lines
                            +--- lanes@haulier      {lines['haulier']:>4} lines
                            +--- charters           {lines['centre']:>4} lines of the centre's own
  A line is one product to one country by one mode; it is what is protected.""")


def set_up(nodes, records):
    for node in nodes.values():
        node.init()
        node.start()
    centre, agency = nodes["centre"], nodes["agency"]
    for name in (*MEMBERS, "agency"):
        say(f"  {name:<11} linked to centre   words: {link(centre, nodes[name])}")
    say(f"  {'agency':<11} linked to airline  words: {link(nodes['airline'], agency)}")
    for node in nodes.values():
        node.json("type", "apply", str(HERE / "deliveries.json"))
        node.json("twin", "apply", str(node.files / "twins.toml"))
        done = node.json("ingest", str(node.files / "deliveries.csv"), "--map",
                         str(HERE / "deliveries.map.toml"))
        say(f"  {node.name:<11} {records.lines_of(node.name):>4} lines, "
            f"{records.deliveries_of(node.name):>5,} deliveries, {done['accepted']:>5,} readings, "
            "kept at home")
    agreements = {}
    for name in MEMBERS:
        agreements[name] = agree(nodes[name], centre, nodes[name].files / "agreement.toml")
        shared = "deliveries, makers" if name in MAKERS else "deliveries"
        say(f"  {name:<11} agreement with centre signed by both; may be handed on through {shared}")
    agree(centre, agency, centre.files / "agreement.toml")
    say(f"  {'centre':<11} agreement with agency signed by both: its two system twins")
    agree(nodes["airline"], agency, nodes["airline"].files / "agency.agreement.toml")
    say(f"  {'airline':<11} agreement with agency signed by both: to follow its lanes")
    tree(records)
    return agreements


def questions(planner):
    years = over(YEARS)
    mean = f"SELECT mean(delay) FROM supply GROUP BY mode {years} {within()}"
    first = planner.ask(
        "How late are deliveries, by mode? Each line counts once, by its mean over four years; "
        "early is negative.", mean, YEARS, ("mode",), unit="days", drowned=20)
    note_bounds(planner.records, "mean(delay)", YEARS, "Truck", 1, "60 days early or late")
    planner.ask("What is the line like that is later than nine in ten?",
                f"SELECT quantile(delay, 0.9) FROM supply GROUP BY mode {years} {within(4)}", YEARS,
                ("mode",), unit="days", drowned=20)
    say(wrapped("A rank near the end of a crowd is told apart by few lines: it needs more of them "
                "than a mean or a share does. How many are late is cheaper to ask:"))
    planner.ask("Which lanes had lines that were more than a week late in 2011, on the average?",
                f"SELECT share({LATE}) FROM supply GROUP BY mode, region {over(YEAR_2011)} "
                f"{within()}", YEAR_2011, ("mode", "region"), digits=2, drowned=0.5)
    planner.ask("How many packs came in 2012, by mode?",
                f"SELECT sum(quantity) FROM supply GROUP BY mode {over(YEAR_2012)} {within()}",
                YEAR_2012, ("mode",), digits=0)
    note_bounds(planner.records, "sum(quantity)", YEAR_2012, "Truck", 0, "300,000 packs a year")
    planner.ask("How long do makers take from order to delivery? The centre adds their releases "
                "up and answers for them.",
                f"SELECT mean(lead_time) FROM makers@centre GROUP BY region {years} {within()}",
                YEARS, ("region",), chosen=lambda line: line["organisation"] in MAKERS, unit="days",
                drowned=100, merged=True)
    planner.ask("And straight from the makers of generics? The agency has no link with them.",
                f"SELECT mean(lead_time) FROM lines@generics {years} {within()}", YEARS, expected=3)
    again = planner.ask("The first question again: the same figures, free", mean, YEARS, ("mode",),
                        unit="days", drowned=20)
    if [row["values"] for row in first["rows"]] != [row["values"] for row in again["rows"]]:
        raise Failed("a repeated question gave other figures")


def note_bounds(records, item, window, mode, digits, bound):
    bounded, free = (records.figures(item, window, keys=("mode",), clamp=clamp)[mode,][0]
                     for clamp in (True, False))
    say(wrapped(f"A line beyond {bound} counts as just that, in answers and in the true figures "
                f"here: without it {mode} would have {show(free, digits)} instead of "
                f"{show(bounded, digits)}."))


def follow(agency, records):
    """Three years of one carrier, quarter by quarter, as one feed."""
    first = date(2009, 12, 31)
    window = f"'{first}' .. '{first + QUARTER}'"
    question = f"SELECT share({LATE}) FROM lanes@airline OVER {window} {within(5)}"
    say(f"\nMonths go by: the agency follows the airline's lanes through {QUARTERS} quarters, as a "
        f"feed\n{wrapped(question, '    ')}")
    feed = agency.json("feed", "start", question, "--for", f"{13 * QUARTERS}w")["id"]
    shown = until("the feed's quarters are here", lambda: next(
        (found for found in [agency.json("feed", "show", feed)]
         if found["coverage"]["released"] == QUARTERS), None))
    say(f"  {'quarter from':<13}{'share late':>11}{'95 % range':>15}{'true':>6}   0 {'':<38} 0.8")
    for tick in shown["series"]:
        window = tick["from"][:10], tick["to"][:10]
        true, _ = records.figures(f"share({LATE})", window,
                                  lambda line: line["organisation"] == "airline")[()]
        value = tick["rows"][0]["values"][0]
        span = f"{show(value['lower'], 2)} to {show(value['upper'], 2)}"
        say(f"  {window[0]:<13}{show(value['value'], 2):>11}{span:>15}{show(true, 2):>6}   "
            f"|{drawn(value, true, 0.8)}|")
    say(wrapped("o the answer, - its range, x the truth (demo only), @ both. Quarters that are "
                "over came at once; a feed goes on as time does. Each week of the airline's pays "
                f"for its own quarter alone: epsilon 5 of 10, for {QUARTERS} quarters as for one."))


def drawn(value, true, most, width=42):
    """A range as a line of characters, from 0 to `most`."""
    def place(number):
        return round(min(max(number, 0), most) / most * (width - 1))
    line = [" "] * width
    for at in range(place(value["lower"]), place(value["upper"]) + 1):
        line[at] = "-"
    line[place(value["value"])] = "o"
    line[place(true)] = "x" if line[place(true)] != "o" else "@"
    return "".join(line)


def leave(nodes, planner, agreement):
    haulier, centre = nodes["haulier"], nodes["centre"]
    say("\nThe haulier ends its agreement with the centre.")
    haulier.json("agreement", "terminate", agreement, "--yes")
    until("the centre knows", lambda: any(
        item["id"] == agreement and item["state"] == "terminated"
        for item in centre.json("agreement", "list")["items"]))
    planner.ask(
        "By truck there is only what the agency itself buys now; the haulier is named as missing.",
        f"SELECT share({LATE}) FROM supply GROUP BY mode {over(YEARS)} {within()}", YEARS,
        ("mode",), chosen=lambda line: line["organisation"] != "haulier", digits=2, drowned=0.5,
        expected=6)


def play(nodes, root, once):
    records = Records(TITLES)
    say(f"Entente: six organisations, six processes, under {root}")
    started = time.monotonic()
    agreements = set_up(nodes, records)
    planner = Planner(nodes["agency"], records)
    questions(planner)
    follow(nodes["agency"], records)
    leave(nodes, planner, agreements["haulier"])
    say("\nAll answers came with protected figures only; no delivery left its organisation. "
        f"{time.monotonic() - started:.0f} s.")
    if not once:
        stay_up("Try, in another terminal:\n"
                f"  {ENTENTE} --home {nodes['agency'].home} ask \"SELECT mean(delay) FROM supply "
                f"GROUP BY region {over(YEAR_2009)} {within(2)}\"\n"
                f"  {ENTENTE} --home {nodes['centre'].home} system list\n"
                f"  {ENTENTE} --home {nodes['generics'].home} budget show")


if __name__ == "__main__":
    sys.exit(main("supply-chain", __doc__.splitlines()[0], TITLES, HERE, play))
