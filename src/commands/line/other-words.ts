/**
 * Verbs of other programs, and those that somebody types in a hurry: what hostkit has in their place. The nearest verb by its letters
 * would be a wrong one, and a dangerous one ("restart" for "restore").
 */
interface Answer {
  readonly why: string;
  readonly next: string;
}

const restore: Answer = {
  why: "what backups are brought back by is restore",
  next: "hostkit restore --help   then docs/recovery.md",
};
const undo: Answer = {
  why: "a container's former releases are kept on the host; all else is on the host as the manifest says",
  next: "hostkit releases   then: hostkit rollback SERVICE   (all else: the manifest you had, then hostkit plan)",
};
const deploy: Answer = {
  why: "provision makes the host as the manifest says, the first time and every time; deploy does so for some services",
  next: "hostkit plan   then: hostkit provision   or: hostkit deploy SERVICE",
};
const shell: Answer = {
  why: "a service's shell is had by exec; a host itself is reached by ssh",
  next: "hostkit exec SERVICE   or: ssh HOST   (for lab hosts: hostkit lab ssh NAME; for the database: hostkit database shell)",
};
const look: Answer = {
  why: "what runs and how it is are shown by status, what was printed by logs",
  next: "hostkit status   or: hostkit logs SERVICE",
};
const remove: Answer = {
  why: "uninstall takes away what hostkit made and keeps data, unless it is told otherwise; a service goes when it is no longer in the manifest",
  next: "hostkit uninstall --help",
};
const help: Answer = {
  why: "every verb has a page of its own with examples",
  next: "hostkit --help   or: hostkit doctor   which looks for what is in the way",
};
const locked: Answer = {
  why: "a run holds the stack's lock as long as it lasts and not longer; it is never taken away from it",
  next: "hostkit attach   follows it; hostkit runs   lists all",
};

const answers: Readonly<Record<string, Answer>> = {
  ...same(restore, "restore recover recovery revive unbackup pitr point-in-time import-backup"),
  ...same(undo, "undo roll-back revert back previous downgrade reset"),
  ...same(
    deploy,
    "apply up push release update upgrade setup install converge sync create ship publish redeploy bootstrap launch go",
  ),
  ...same(shell, "ssh shell bash sh console connect login enter attach-to docker"),
  ...same(
    look,
    "ps list ls top show info details describe inspect health tail log journal output audit",
  ),
  ...same(remove, "down destroy delete remove rm teardown purge kill nuke terminate"),
  ...same(help, "man docs support sos wtf emergency panic what howto"),
  ...same(locked, "unlock lock abort cancel force-unlock"),
  ...same(
    {
      why: "services are stopped and started by their name",
      next: "hostkit stop SERVICE   or: hostkit restart SERVICE",
    },
    "pause halt disable resume enable reload reboot bounce",
  ),
  ...same(
    {
      why: "what would change on the hosts is shown by plan, what is wrong in the manifest by check",
      next: "hostkit plan   or: hostkit check",
    },
    "diff dry-run dryrun preview validate verify lint test config",
  ),
  ...same(
    {
      why: "secrets are files and variables on this machine; `secrets` in the manifest says where",
      next: "docs/manifest/secrets.md, then: hostkit provision",
    },
    "secret secrets env vault credentials password passwd",
  ),
  ...same(
    {
      why: "backups are made by timers, and by hand",
      next: "hostkit backup run   or: hostkit backup list",
    },
    "backups dump snapshot save",
  ),
  ...same(
    {
      why: "migrations are part of a provision: files that were not applied yet are",
      next: "hostkit plan   then: hostkit provision",
    },
    "migrate migration migrations",
  ),
  ...same(
    {
      why: "the proxy gets and renews certificates by itself",
      next: "hostkit status   shows until when they hold",
    },
    "renew cert certs certificate certificates tls ssl letsencrypt",
  ),
};

function same(answer: Answer, words: string): Record<string, Answer> {
  return Object.fromEntries(words.split(" ").map((word) => [word, answer]));
}

/** What to say about a verb that does not exist; undefined where its letters are the better guide. */
export function answerOtherWord(verb: string): Answer | undefined {
  const word = verb.toLowerCase();
  return Object.hasOwn(answers, word) ? answers[word] : undefined;
}
