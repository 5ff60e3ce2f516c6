import { defineConfig } from "vitest/config";

import stories from "./vitest.config.ts";

/** The pictures of `docs/images`, taken by `npm run pictures`. */
export default defineConfig({ ...stories, test: { ...stories.test, include: ["pictures.ts"] } });
