"""Makes the example's tables from the published records: python3 prepare.py RECORDS.csv

Writes ORGANISATION/twins.toml and ORGANISATION/deliveries.csv beside this folder and prints the
declared sizes for exports.toml. SOURCE.txt says where the records come from and what this changes.
"""

import csv
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from datetime import date, datetime
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
FIRST, LAST = date(2009, 1, 1), date(2012, 12, 27)  # 208 weeks
LEAST_LINES = 10  # of a mode and region at one organisation; fewer are left out

CARRIERS = {"Air": "airline", "Truck": "haulier", "Air Charter": "centre"}  # of the centre's stock
GENERICS = ("Aurobindo", "CIPLA", "HETERO", "MYLAN", "STRIDES")
DIAGNOSTICS = ("CHEMBIO", "Orasure", "Orgenics", "Standard Diagnostics", "Trinity")
REGIONS = {
    "West Africa": "Benin, Cameroon, Côte d'Ivoire, Ghana, Guinea, Liberia, Mali, Nigeria, "
                   "Senegal, Sierra Leone",
    "East Africa": "Burundi, Congo DRC, Ethiopia, Kenya, Rwanda, South Sudan, Sudan, Tanzania, "
                   "Uganda",
    "Southern Africa": "Angola, Botswana, Lesotho, Malawi, Mozambique, Namibia, South Africa, "
                       "Swaziland, Zambia, Zimbabwe"}
SIGNALS = {"lead_time": max, "quantity": sum, "delay": max, "freight": sum}
REGION_OF = {country: region for region, names in REGIONS.items() for country in names.split(", ")}
PRODUCT_LINE, LANE = (f"dtmi:org:entente:supply:{name};1" for name in ("ProductLine", "Lane"))


def holder_of(row):
    """Whose node holds a record: whoever sees the delivery through."""
    if row["Fulfill Via"] == "From RDC":
        return CARRIERS.get(row["Shipment Mode"])
    if row["Vendor"].startswith(GENERICS):
        return "generics"
    if row["Vendor"].startswith(DIAGNOSTICS):
        return "diagnostics"
    return "agency" if row["Country"] == "South Africa" else None


def day_of(text, form):
    try:
        return datetime.strptime(text, form).date()
    except ValueError:  # "Pre-PQ Process", "N/A - From RDC", "Date Not Captured"
        return None


def number_of(text):
    return float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else None


def slug(text, most):
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:most].strip("-")


def records(path):
    """The records of the period, by organisation and line (mode, country, product)."""
    lines = defaultdict(lambda: defaultdict(list))
    for row in csv.DictReader(open(path, encoding="utf-8-sig")):
        holder = holder_of(row)
        delivered = day_of(row["Delivered to Client Date"], "%d-%b-%y")
        if holder is None or delivered is None or not FIRST <= delivered < LAST:
            continue
        country = row["Country"].replace(",", "")
        ordered = day_of(row["PO Sent to Vendor Date"], "%m/%d/%Y") or \
            day_of(row["PQ First Sent to Client Date"], "%m/%d/%Y")
        scheduled = day_of(row["Scheduled Delivery Date"], "%d-%b-%y")
        lines[holder][(row["Shipment Mode"], country, row["Item Description"])].append({
            "delivered": delivered,
            "lead_time": (delivered - ordered).days if ordered else None,
            "delay": (delivered - scheduled).days if scheduled else None,
            "quantity": number_of(row["Line Item Quantity"]),
            "freight": number_of(row["Freight Cost (USD)"]),
            "origin": row["Manufacturing Site"]})
    return lines


def deliveries(rows):
    """One delivery a day of each line: quantities and freight add up, of days the longest count."""
    days = defaultdict(list)
    for row in rows:
        days[row["delivered"]].append(row)
    for day, parts in sorted(days.items()):
        values = [day.isoformat()]
        for signal, together in SIGNALS.items():
            known = [part[signal] for part in parts if part[signal] is not None]
            values.append(f"{together(known):.10g}" if known else "")
        yield values


def write(holder, lines):
    where = {line: REGION_OF.get(line[1], "Overseas") for line in lines}
    sizes = Counter((line[0], where[line]) for line in lines)
    kept = sorted(line for line in lines if sizes[line[0], where[line]] >= LEAST_LINES)
    folder = HOME / holder
    folder.mkdir(exist_ok=True)
    identities, taken = {}, Counter()
    for mode, country, product in kept:
        name = f"{slug(mode, 12)}-{slug(country, 14)}-{slug(product, 30)}"
        taken[name] += 1
        identities[mode, country, product] = name if taken[name] == 1 else f"{name}-{taken[name]}"
    made_here = holder in ("generics", "diagnostics")
    with open(folder / "twins.toml", "w", encoding="utf-8") as file:
        file.write(f"# {len(kept)} lines: one product to one country by one mode "
                   "(source: ../data/SOURCE.txt).\n")
        for line, identity in identities.items():
            mode, country, product = line
            properties = {"mode": mode, "region": where[line], "destination": country,
                          "product": product}
            if made_here:
                makers = Counter(row["origin"] for row in lines[line])
                properties["maker"] = makers.most_common(1)[0][0]
            text = ", ".join(f'{key} = "{value}"' for key, value in properties.items())
            dtmi = PRODUCT_LINE if made_here else LANE
            file.write(f'\n[[twin]]\nid = "{identity}"\ntype = "{dtmi}"\n'
                       f"properties = {{ {text} }}\n")
    with open(folder / "deliveries.csv", "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["line", "delivered", *SIGNALS])
        rows = sorted((values[0], identity, *values[1:]) for line, identity in identities.items()
                      for values in deliveries(lines[line]))
        out.writerows([identity, day, *rest] for day, identity, *rest in rows)
    print(f"{holder}: {len(kept)} of {len(lines)} lines, {len(rows)} deliveries")
    for (mode, region), size in sorted(sizes.items()):
        print(f'  "{mode}/{region}" = {size}' + ("" if size >= LEAST_LINES else "   # left out"))


if __name__ == "__main__":
    for organisation, its_lines in sorted(records(sys.argv[1]).items()):
        write(organisation, its_lines)
