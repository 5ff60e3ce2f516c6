import { useQueryClient } from "@tanstack/react-query";
import { Pencil, Plus } from "lucide-react";
import { useState } from "react";

import { connectionKeys, updateConnection } from "@/api/queries/connections";
import type { DataConnection, FreshnessCheck } from "@/api/types";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Section } from "@/components/ui/page";
import { say, sayError, sayWithOffer } from "@/components/ui/toast";
import { ageInWords } from "@/lib/freshness";

import { FreshnessDialog } from "./FreshnessDialog";
import { FreshnessLook } from "./FreshnessLook";

/** How the age of a connection's data is known, and what was found when it was last looked at. */
export function Freshness({ connection }: { connection: DataConnection }) {
  const { freshness, lastTest, access } = connection;
  const queryClient = useQueryClient();
  const [isEditing, setEditing] = useState(false);

  const save = async (check: FreshnessCheck | null) => {
    await updateConnection(connection.id, { freshness: check });
    await queryClient.invalidateQueries({ queryKey: connectionKeys.all });
  };
  const remove = async () => {
    try {
      await save(null);
      sayWithOffer("The freshness check was removed.", "Undo", () => {
        save(freshness).catch((error: unknown) => sayError("It was not put back", error));
      });
    } catch (error) {
      sayError("The freshness check was not removed", error);
    }
  };

  return (
    <Section
      title="Freshness"
      actions={
        access === "manage" ? (
          <Button look="quiet" onClick={() => setEditing(true)}>
            {freshness ? <Pencil aria-hidden /> : <Plus aria-hidden />}
            {freshness ? "Change" : "Set a check"}
          </Button>
        ) : null
      }
    >
      {freshness ? (
        <div className="space-y-2 py-3">
          <p>
            Fresh while the newest{" "}
            <span className="font-medium break-words">
              {freshness.table}.{freshness.column}
            </span>{" "}
            is at most {ageInWords(freshness.maxAgeMinutes)} old.
          </p>
          {lastTest?.freshness ? (
            <div>
              <FreshnessLook look={lastTest.freshness} />
              <p className="text-sm text-ink-3">
                Looked at <Time at={lastTest.at} look="inline" />; “Test” looks again.
              </p>
            </div>
          ) : (
            <p className="text-sm text-ink-3">Not looked at yet. “Test” does.</p>
          )}
          {access === "manage" ? (
            <button type="button" className="link text-sm" onClick={() => void remove()}>
              Remove the check
            </button>
          ) : null}
        </div>
      ) : (
        <p className="py-3 text-ink-2">
          {access === "view_results"
            ? "Shown to those who may query it."
            : "Nobody said how its age is known, so tasks that wait for fresh data count it as fresh."}
        </p>
      )}
      {isEditing ? (
        <FreshnessDialog
          connection={connection}
          save={async (check) => {
            await save(check);
            say("Saved.");
            setEditing(false);
          }}
          onClose={() => setEditing(false)}
        />
      ) : null}
    </Section>
  );
}
