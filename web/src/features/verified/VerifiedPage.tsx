import { Page, Section } from "@/components/ui/page";

import { ReceivedFeedback } from "./ReceivedFeedback";
import { VerifiedQuestions } from "./VerifiedQuestions";

/** What people found right, and what they think of answers. */
export function VerifiedPage() {
  return (
    <Page
      title="Verified answers"
      width="read"
      lead="Questions that are answered by SQL which somebody checked, and what readers think of answers from data that you manage."
    >
      <Section title="Verified questions">
        <VerifiedQuestions />
      </Section>
      <Section title="Feedback" className="mt-10">
        <ReceivedFeedback />
      </Section>
    </Page>
  );
}
