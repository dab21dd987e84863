// The rooms of src and what each may import; `pure` rooms take plain data in and give plain data out. errors.ts is for everybody.
// scripts/generate-lint.mjs makes the linter's rules of it, test/unit/boundaries.test.ts proves that they bite.
export const rooms = {
  shell: { imports: [], pure: true },
  writers: { imports: ["shell"], pure: true },
  manifest: { imports: ["writers"], pure: true },
  facts: { imports: ["writers", "shell"], pure: true },
  resources: { imports: ["facts", "manifest", "writers", "shell"], pure: true },
  stack: { imports: ["resources", "facts", "manifest", "writers", "shell"], pure: true },
  plan: { imports: ["stack", "resources", "facts", "manifest", "writers", "shell"], pure: true },
  host: { imports: ["plan", "stack", "resources", "facts", "manifest", "writers", "shell"] },
  local: { imports: ["plan", "stack", "resources", "facts", "manifest", "writers", "shell"] },
  lab: { imports: ["shell"] },
  report: { imports: ["plan", "stack", "resources", "facts", "manifest", "writers", "shell"] },
  commands: {
    imports: [
      "host",
      "local",
      "lab",
      "report",
      "plan",
      "stack",
      "resources",
      "facts",
      "manifest",
      "writers",
      "shell",
    ],
  },
};
