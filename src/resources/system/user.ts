import { need } from "../../facts/fact.ts";
import { userFacts } from "../../facts/system/user.ts";
import { joinScripts, sh } from "../../shell/script.ts";
import { removeAccounts } from "../packages/package-removal.ts";
import { claimAlone, idOf, idsOf, removeByScript } from "../resource.ts";
import type { Change, Resource, ResourceKind } from "../resource.ts";

/** A system user with a group of its own name, no password, no login. */
export interface UserResource extends Resource {
  readonly kind: "user";
  /** Further groups. */
  readonly groups: readonly string[];
  /** Absolute; not created. */
  readonly home: string;
  readonly comment: string;
  /** A user that is already there (somebody named it in the manifest) is left as it is, and never removed. */
  readonly keepExisting?: boolean;
}

/** Builds a system user resource. */
export function systemUser(
  name: string,
  options: {
    groups?: readonly string[];
    home?: string;
    comment?: string;
    keepExisting?: boolean;
    after?: UserResource["after"];
  } = {},
): UserResource {
  return {
    kind: "user",
    name,
    groups: options.groups ?? [],
    home: options.home ?? "/nonexistent",
    comment: options.comment ?? "",
    ...(options.keepExisting === undefined ? {} : { keepExisting: options.keepExisting }),
    ...(options.after === undefined ? {} : { after: options.after }),
  };
}

/** The id of a resource of this kind by its name. */
export const userId = idsOf("user");

function createUser(resource: UserResource): Change {
  const { name, groups, home, comment } = resource;
  return {
    id: idOf(resource),
    action: "create",
    because: "does not exist",
    steps: [
      {
        type: "script",
        title: `add system user ${name}`,
        script: joinScripts([
          sh`getent group ${name} >/dev/null || groupadd --system ${name}`,
          sh`useradd --system --gid ${name} --home-dir ${home} --no-create-home --shell /usr/sbin/nologin --comment ${comment} ${name}`,
          groups.length === 0 ? sh`` : sh`usermod --append --groups ${groups.join(",")} ${name}`,
        ]),
      },
    ],
  };
}

export const userKind: ResourceKind<UserResource> = {
  kind: "user",
  group: "users",
  needs: (resource) => [need(userFacts, resource.name)],

  diff(resource, facts): Change | undefined {
    const { name, groups } = resource;
    const fact = facts.get(userFacts, name);
    if (fact === undefined) return createUser(resource);
    if (resource.keepExisting === true) return undefined;
    const missing = groups.filter((group) => !fact.groups.includes(group));
    const isLogin = fact.shell !== "/usr/sbin/nologin";
    if (missing.length === 0 && !isLogin) return undefined;
    return {
      id: idOf(resource),
      action: "update",
      because: [
        ...(missing.length === 0 ? [] : [`not in group ${missing.join(", ")}`]),
        ...(isLogin ? [`shell is ${fact.shell}, should be /usr/sbin/nologin`] : []),
      ].join("; "),
      steps: [
        {
          type: "script",
          title: `change system user ${name}`,
          script: joinScripts([
            missing.length === 0
              ? sh``
              : sh`usermod --append --groups ${missing.join(",")} ${name}`,
            isLogin ? sh`usermod --shell /usr/sbin/nologin ${name}` : sh``,
          ]),
        },
      ],
    };
  },

  claims: (resource) => [claimAlone(resource)],
  own: (resource) => ({ kind: "user", name: resource.name }),
  removalNeeds: (owned) => [need(userFacts, owned.name)],

  remove(owned, facts): Change | undefined {
    if (facts.get(userFacts, owned.name) === undefined) return undefined;
    return removeByScript(
      owned,
      `remove system user ${owned.name}`,
      sh`${removeAccounts}
remove_account user ${owned.name}
if getent passwd ${owned.name} >/dev/null; then
  stay_owned
  printf ${"group %s\\tneeded by the user\\n"} ${owned.name} >>"$HOSTKIT_STACK_DIRECTORY/kept"
else
  remove_account group ${owned.name}
fi`,
    );
  },
};
