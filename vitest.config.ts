import { defineConfig } from "vitest/config";

/** Lab tests spend most of their time waiting for hosts. */
const lab = { testTimeout: 600_000, hookTimeout: 600_000 };

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 20_000 } },
      // The lab itself: it looks for what is left on the machine, so nothing else runs beside it.
      { test: { name: "lab-machine", include: ["test/lab/lab.test.ts"], ...lab, fileParallelism: false } },
      {
        test: { name: "lab", include: ["test/lab/*.test.ts"], exclude: ["test/lab/lab.test.ts"], ...lab, maxWorkers: 3 },
      },
    ],
  },
});
