import { queryOptions } from "@tanstack/react-query";

import { client, unwrap } from "@/api/client";
import type { VerifiedQuestion, VerifiedQuestionBody } from "@/api/types";

export const verifiedQuestionsQuery = queryOptions({
  queryKey: ["verified-questions"],
  queryFn: () => unwrap(client.GET("/api/v1/verified-questions")),
});

/** Marks a question and the SQL of a result as verified, in place of what was verified for it before. */
export function verifyQuestion(body: VerifiedQuestionBody): Promise<VerifiedQuestion> {
  return unwrap(client.PUT("/api/v1/verified-questions", { body }));
}

export async function removeVerifiedQuestion(id: string): Promise<void> {
  await unwrap(client.DELETE("/api/v1/verified-questions/{id}", { params: { path: { id } }, keepalive: true }));
}
