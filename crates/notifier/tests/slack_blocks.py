"""Reads messages from standard input and asks Slack's own library whether their blocks are valid."""

import json
import sys

from slack_sdk.models.blocks import Block, TableBlock


def main() -> int:
    problems = []
    for number, message in enumerate(json.load(sys.stdin)):
        for position, given in enumerate(message["blocks"]):
            block = Block.parse(given)
            if block is None:
                problems.append(f"message {number}, block {position}: unknown type {given['type']}")
                continue
            try:
                block.validate_json()
            except Exception as error:
                problems.append(f"message {number}, block {position}: {error}")
            if isinstance(block, TableBlock):
                # The library passes a table's rows on as they are: their form is Slack's documentation's.
                assert all(cell["type"] == "raw_text" and cell["text"] for row in given["rows"] for cell in row)
            elif json.loads(json.dumps(block.to_dict())).get("type") != given["type"]:
                problems.append(f"message {number}, block {position}: read as another type")
    print("\n".join(problems))
    return 1 if problems else 0


sys.exit(main())
