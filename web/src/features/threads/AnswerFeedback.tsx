import { useQuery, useQueryClient } from "@tanstack/react-query";
import { ThumbsDown, ThumbsUp } from "lucide-react";
import { useState, type ReactNode } from "react";

import { giveFeedback, ownFeedbackQuery } from "@/api/queries/feedback";
import type { FeedbackBody, OwnFeedback, ThreadSteps, Turn } from "@/api/types";
import { Button, iconButtonClass } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { say, sayError } from "@/components/ui/toast";

import { PinMethod } from "./PinMethod";
import { VerifyAnswer } from "./VerifyAnswer";

/** What the reader thinks of an answer, and for those who manage its data a way to have its SQL used again. */
export function AnswerFeedback({ turn, data }: { turn: Turn; data: ThreadSteps }) {
  const { threadId, taskId, isMine } = data.thread;
  const { turnNo } = turn;
  const queryClient = useQueryClient();
  const ownQuery = ownFeedbackQuery(threadId);
  const { data: own } = useQuery(ownQuery);
  const given = own?.values.find((one) => one.turnNo === turnNo);
  const [isAsking, setAsking] = useState(false);

  const give = async (body: FeedbackBody) => {
    try {
      // An answer that is on its way would tell what was before.
      await queryClient.cancelQueries(ownQuery);
      const values = await giveFeedback(threadId, body);
      queryClient.setQueryData(ownQuery.queryKey, values);
    } catch (error) {
      sayError("Your opinion was not kept", error);
      throw error;
    }
  };
  const press = (rating: OwnFeedback["rating"]) => {
    const isTakenBack = given?.rating === rating;
    setAsking(!isTakenBack);
    // What was wrong with an answer is not what was good about it: the reason goes with the opinion.
    void give({ turnNo, rating: isTakenBack ? null : rating, reason: "" }).catch(() => setAsking(false));
  };

  return (
    <div className="border-t pt-3">
      <div className="flex flex-wrap items-center gap-x-1 gap-y-2">
        <span className="mr-1 text-sm text-ink-2">Was this answer right?</span>
        <Thumb label="It helped" icon={<ThumbsUp />} isPressed={given?.rating === "up"} onPress={() => press("up")} />
        <Thumb
          label="It did not help"
          icon={<ThumbsDown />}
          isPressed={given?.rating === "down"}
          onPress={() => press("down")}
        />
        {given && !isAsking ? (
          <button type="button" className="link ml-1 rounded-sm text-sm" onClick={() => setAsking(true)}>
            {given.reason ? "Change your reason" : "Say why"}
          </button>
        ) : null}
        <span className="flex flex-wrap sm:ml-auto">
          {isMine && taskId ? <PinMethod taskId={taskId} turn={turn} data={data} /> : null}
          <VerifyAnswer turn={turn} data={data} />
        </span>
      </div>
      {given && isAsking ? (
        <Reason
          key={given.rating}
          given={given}
          onSave={async (reason) => {
            await give({ turnNo, rating: given.rating, reason });
            setAsking(false);
            say("Thank you. Those who manage this data can read it.");
          }}
          onClose={() => setAsking(false)}
        />
      ) : null}
    </div>
  );
}

interface ThumbProps {
  label: string;
  icon: ReactNode;
  isPressed: boolean;
  onPress: () => void;
}

function Thumb({ label, icon, isPressed, onPress }: ThumbProps) {
  return (
    <button
      type="button"
      aria-label={label}
      aria-pressed={isPressed}
      data-tip={label}
      onClick={onPress}
      className={iconButtonClass("aria-pressed:bg-accent-soft aria-pressed:text-accent")}
    >
      {icon}
    </button>
  );
}

interface ReasonProps {
  given: OwnFeedback;
  onSave: (reason: string) => Promise<void>;
  onClose: () => void;
}

function Reason({ given, onSave, onClose }: ReasonProps) {
  const [reason, setReason] = useState(given.reason);
  const [isSaving, setSaving] = useState(false);
  const save = async () => {
    setSaving(true);
    await onSave(reason).catch(() => setSaving(false));
  };
  return (
    <form
      className="mt-2 max-w-[40rem] space-y-2"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <Field
        label={given.rating === "up" ? "What was good about it?" : "What is wrong with it?"}
        hint="Optional. Those who manage the data that it used can read this."
      >
        <textarea
          rows={2}
          maxLength={1000}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
          className="control h-auto py-1.5"
        />
      </Field>
      <div className="flex gap-2">
        <Button type="submit" busy={isSaving}>
          {isSaving ? "Saving…" : "Save"}
        </Button>
        <Button look="quiet" onClick={onClose}>
          Close
        </Button>
      </div>
    </form>
  );
}
