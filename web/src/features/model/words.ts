/** `builtin` and `openai:gpt-5` as people say them. */
export function modelInWords(model: string): string {
  return model === "builtin" ? "the built-in analyst" : model.replace(/^openai:/, "");
}
