// The rooms of src and what each may import; `pure` rooms take plain data in and give plain data out. errors.ts is for everybody.
// scripts/generate-lint.mjs makes the linter's rules of it, test/unit/boundaries.test.ts proves that they bite.
const model = ["plan", "stack", "resources", "facts", "manifest", "writers", "shell"];
const effects = ["host", "ssh", "local", "lab", "report", ...model];

export const rooms = {
  shell: { imports: [], pure: true },
  writers: { imports: ["shell"], pure: true },
  manifest: { imports: ["writers"], pure: true },
  facts: { imports: ["writers", "shell"], pure: true },
  resources: { imports: model.slice(3), pure: true },
  stack: { imports: model.slice(2), pure: true },
  plan: { imports: model.slice(1), pure: true },
  ssh: { imports: ["shell"] },
  host: { imports: ["ssh", ...model] },
  local: { imports: model },
  lab: { imports: ["shell"] },
  report: { imports: model },
  session: { imports: effects },
  dev: { imports: ["session", ...effects] },
  commands: { imports: ["dev", "session", ...effects] },
};
