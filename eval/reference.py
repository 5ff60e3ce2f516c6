"""Computes the reference rows of a file of questions anew: python3 reference.py QUESTIONS.jsonl FOLDER

Each line's `reference_sql` is run by DuckDB over the CSV files of the folder; `columns`, `row_count` and `rows` (at most 200)
are rewritten. Nothing of Tidings takes part. Needs duckdb.
"""

import datetime
import decimal
import json
import pathlib
import sys

import duckdb

ROWS_KEPT = 200
questions, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])

database = duckdb.connect()
for file in sorted(folder.glob("*.csv*")):
    table = file.name.split(".csv")[0]
    database.execute(f"CREATE TABLE {table} AS FROM read_csv('{file}', nullstr = ['', 'NA'], sample_size = -1)")


def plain(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return value


lines = []
for line in questions.read_text(encoding="utf-8").splitlines():
    question = json.loads(line)
    found = database.execute(question["reference_sql"])
    columns = [column[0] for column in found.description]
    rows = [[plain(value) for value in row] for row in found.fetchall()]
    question.update(columns=columns, row_count=len(rows), rows=rows[:ROWS_KEPT])
    lines.append(json.dumps(question, ensure_ascii=False))
questions.write_text("\n".join(lines) + "\n", encoding="utf-8")
print(questions, len(lines))
