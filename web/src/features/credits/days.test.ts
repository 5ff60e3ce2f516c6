import { expect, it } from "vitest";

import { barsOf } from "./days";

it("gives every day a bar, those on which nothing was used as well", () => {
  const bars = barsOf({
    firstDay: "2026-02-27",
    lastDay: "2026-03-02",
    days: [
      { day: "2026-02-28", credits: 1.5 },
      { day: "2026-03-02", credits: 2 },
    ],
  });
  expect(bars).toEqual([
    { day: "2026-02-27", days: 1, credits: 0 },
    { day: "2026-02-28", days: 1, credits: 1.5 },
    { day: "2026-03-01", days: 1, credits: 0 },
    { day: "2026-03-02", days: 1, credits: 2 },
  ]);
});

it("tells a year by weeks that end today, and loses nothing", () => {
  const days = [
    { day: "2025-11-22", credits: 1 },
    { day: "2025-11-23", credits: 2 },
    { day: "2025-11-24", credits: 4 },
    { day: "2026-11-16", credits: 8 },
    { day: "2026-11-22", credits: 16 },
  ];
  const bars = barsOf({ firstDay: "2025-11-22", lastDay: "2026-11-22", days });
  expect(bars.length).toBe(53);
  expect(bars.slice(0, 2)).toEqual([
    { day: "2025-11-22", days: 2, credits: 3 },
    { day: "2025-11-24", days: 7, credits: 4 },
  ]);
  expect(bars.at(-1)).toEqual({ day: "2026-11-16", days: 7, credits: 24 });
});
