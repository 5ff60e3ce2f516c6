import { readdirSync } from "node:fs";

import js from "@eslint/js";
import jsxA11y from "eslint-plugin-jsx-a11y";
import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

const features = readdirSync(new URL("./src/features", import.meta.url));

/** The direction of imports: routes -> features -> components -> lib, api. Features never import features. */
const directions = [
  ...features.map((feature) => ({
    files: [`src/features/${feature}/**`],
    forbidden: [
      ...features.filter((other) => other !== feature).map((other) => `@/features/${other}/*`),
      "../*",
      "@/routes/*",
    ],
    message: "A feature imports components, lib and api only; what two features share belongs there.",
  })),
  {
    files: ["src/components/**"],
    forbidden: ["@/features/*", "@/routes/*"],
    message: "Components know nothing of features and routes.",
  },
  {
    files: ["src/lib/**", "src/api/**"],
    forbidden: ["@/features/*", "@/routes/*", "@/components/*"],
    message: "lib and api are the ground floor.",
  },
];

export default tseslint.config(
  { ignores: ["dist", "node_modules", "src/api/schema.d.ts", "screenshots", "test-results"] },
  js.configs.recommended,
  {
    files: ["**/*.{ts,tsx}"],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    plugins: { "react-hooks": reactHooks },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      ...reactHooks.configs.recommended.rules,
      // Only of interest to React's compiler, which is not used.
      "react-hooks/incompatible-library": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { attributes: false } }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // The router throws redirects and not-founds by design.
      "@typescript-eslint/only-throw-error": "off",
    },
  },
  {
    files: ["**/*.tsx"],
    ...jsxA11y.flatConfigs.strict,
    rules: {
      ...jsxA11y.flatConfigs.strict.rules,
      // What scrolls must be reachable by keyboard.
      "jsx-a11y/no-noninteractive-tabindex": ["error", { tags: [], roles: ["group", "table"] }],
      "jsx-a11y/no-autofocus": ["error", { ignoreNonDOM: true }],
    },
  },
  {
    files: ["scripts/**", "*.js"],
    languageOptions: { globals: { console: "readonly", process: "readonly", URL: "readonly" } },
  },
  ...directions.map(({ files, forbidden, message }) => ({
    files,
    rules: { "no-restricted-imports": ["error", { patterns: [{ group: forbidden, message }] }] },
  })),
);
