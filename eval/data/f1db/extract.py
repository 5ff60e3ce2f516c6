"""Writes the tables of this folder from a checkout of F1DB: python3 extract.py CHECKOUT

Seasons 2015 to 2025 of races, results and pit stops, and what they refer to. Needs PyYAML.
"""

import csv
import pathlib
import sys

import yaml

SEASONS = range(2015, 2026)
HERE = pathlib.Path(__file__).parent
DATA = pathlib.Path(sys.argv[1]) / "src/data"


def load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, Loader=yaml.CSafeLoader)


def things(folder):
    return {path.stem: load(path) for path in sorted((DATA / folder).glob("*.yml"))}


def seconds(time):
    """"1:02.345" as 62.345; nothing for no time."""
    if not time:
        return None
    total = 0.0
    for part in str(time).split(":"):
        total = total * 60 + float(part)
    return round(total, 3)


def write(table, columns, rows):
    with open(HERE / f"{table}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    print(table, len(rows))


countries, continents = things("countries"), things("continents")
circuits, constructors, drivers = things("circuits"), things("constructors"), things("drivers")
grands_prix = things("grands-prix")

races, results, pit_stops = [], [], []
for season in SEASONS:
    for folder in sorted((DATA / "seasons" / str(season) / "races").iterdir()):
        race = load(folder / "race.yml")
        race_id = race["id"]
        name = grands_prix[race["grandPrixId"]]["fullName"]
        races.append([race_id, race["date"], season, race["round"], name, race["circuitId"], race["laps"], race["distance"]])
        for each in load(folder / "race-results.yml"):
            position = each["position"]
            is_placed = isinstance(position, int)
            results.append([
                race_id, each["driverId"], each["constructorId"], each["gridPosition"] if isinstance(each["gridPosition"], int) else None,
                position if is_placed else None, "Finished" if is_placed else position,
                each["points"] or 0, each["laps"], each["reasonRetired"],
            ])
        if (folder / "pit-stops.yml").exists():
            for each in load(folder / "pit-stops.yml") or []:
                pit_stops.append([race_id, each["driverId"], each["stop"], each["lap"], seconds(each["time"])])

used_circuits = {race[5] for race in races}
used_drivers = {result[1] for result in results}
used_constructors = {result[2] for result in results}

write("countries", ["country_id", "name", "continent"],
      [[key, each["name"], continents[each["continentId"]]["name"]] for key, each in countries.items()])
write("circuits", ["circuit_id", "name", "place", "country_id", "type", "length_km", "turns"],
      [[key, each["name"], each["placeName"], each["countryId"], each["type"].lower(), each["length"], each["turns"]]
       for key, each in circuits.items() if key in used_circuits])
write("constructors", ["constructor_id", "name", "country_id"],
      [[key, each["name"], each["countryId"]] for key, each in constructors.items() if key in used_constructors])
write("drivers", ["driver_id", "name", "date_of_birth", "country_id"],
      [[key, each["name"], each["dateOfBirth"], each["nationalityCountryId"]] for key, each in drivers.items() if key in used_drivers])
write("races", ["race_id", "race_date", "season", "round", "grand_prix", "circuit_id", "laps", "distance_km"], races)
write("results", ["race_id", "driver_id", "constructor_id", "grid_position", "finish_position", "status", "points", "laps", "reason_retired"],
      results)
write("pit_stops", ["race_id", "driver_id", "stop_number", "lap", "duration_seconds"], pit_stops)
