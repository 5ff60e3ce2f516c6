/** Begins to fetch what a screen needs while its code is still loading. The screen asks again and shows what failed. */
export function warm(request: Promise<unknown>): void {
  request.catch(() => undefined);
}
