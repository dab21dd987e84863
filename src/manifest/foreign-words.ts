import type { Pointer } from "./problems.ts";

/**
 * Words of other programs' files (Docker Compose, Kamal, Ansible, systemd, nginx, Kubernetes), by the place where somebody writes
 * them, and what hostkit says or does instead. Each completes `unknown key "…": `.
 */
const foreignWords: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  root: {
    version: "leave it out: there is one format",
    name: "the stack's name is `stack`",
    app: "the stack's name is `stack`; programs are entries of `services` and `web`",
    apps: "programs are entries of `services` and `web`",
    project: "the stack's name is `stack`",
    containers: "programs are entries of `services` and `web`",
    networks:
      "leave it out: every stack has a network of its own, on which containers find each other by name",
    volumes: "a volume is made where a service names it: `volumes: [data:/path]`",
    configs:
      "build them into the image, or mount a folder of the host: `volumes: [/host/path:/path:ro]`",
    environment: "variables are `env` of each service",
    env: "variables are `env` of each service",
    image: "what runs is `image` of an entry of `services` or `web`",
    build: "what runs is `build` of an entry of `services` or `web`",
    servers: "machines are `hosts`",
    server: "machines are `hosts`",
    host_name: "the host's own name is `host.hostname`",
    inventory: "machines are `hosts`",
    registry:
      "none is needed: images are built on the host (`build`), or loaded from a file (`archive`); where one is pulled (`image`) that wants a login, logins are `registries`: {ghcr.io: {user, password}}",
    builder: "images are built on the host: `build` of a service",
    accessories: "databases are `database`, other programs entries of `services`",
    tasks:
      "hostkit has no tasks: say what the host should be, in `services`, `web`, `database`, `host`",
    roles: "roles of PostgreSQL are `database.roles`; hostkit has no roles of hosts",
    vars: "YAML's own anchors (&name, *name) repeat a value",
    become: "how to become root is `sudo` of a host",
    gather_facts: "leave it out: hostkit looks at the host by itself",
    postgres: "PostgreSQL is `database`",
    postgresql: "PostgreSQL is `database`",
    db: "PostgreSQL is `database`",
    databases: "they are `database.databases`",
    mysql: "hostkit knows PostgreSQL (`database`); another database is an entry of `services`",
    redis: "a program of the distribution is an entry of `services`: {redis: {apt: redis-server}}",
    caddy: "the proxy is `proxy`; its sites are `proxy.sites`",
    nginx: "the proxy is `proxy`; its sites are `proxy.sites`",
    traefik: "the proxy is `proxy`; its sites are `proxy.sites`",
    ingress: "the proxy is `proxy`; its sites are `proxy.sites`",
    sites: "they are `proxy.sites`",
    domains: "they are `proxy.sites`",
    domain: "names are `proxy.sites`",
    tls: "certificates are `tls` of each of `proxy.sites`",
    ssl: "certificates are `tls` of each of `proxy.sites`; logins are `host.ssh`",
    letsencrypt:
      "certificates come by themselves: `tls: acme` (the default) of each of `proxy.sites`",
    ssh: "who may log in is not managed; `host.ssh: {harden}` is about sshd, `hosts` about the way there",
    users: "services get users of their own by themselves; people's logins are not managed",
    packages: "hostkit installs what a service needs: `apt` of an entry of `services`",
    swap: "it is `host.swap`",
    timezone: "it is `host.timezone`",
    hostname: "it is `host.hostname`",
    sysctl: "it is `host.sysctl`",
    updates: "they are `host.updates`",
    ports: "what is open is `firewall.allow`; ports of a service are its `ports`",
    ufw: "the firewall is `firewall.allow`",
    iptables: "the firewall is `firewall.allow`",
    cron: "hostkit has no timers: a service of its own that waits, or a systemd timer in a .deb (`package`)",
    jobs: "hostkit has no timers: a service of its own that waits, or a systemd timer in a .deb (`package`)",
    workers: "programs without a web address are entries of `services`",
    hooks: "what is made on this machine is `build_command`; nothing is called on the host",
    include: "one file, one manifest; YAML's own anchors (&name, *name) repeat a value",
    extends: "YAML's own merge (<<: *name) repeats a mapping",
  },
  service: {
    restart: "leave it out: whatever ends is started again, and everything starts at boot",
    restart_policy: "leave it out: whatever ends is started again, and everything starts at boot",
    depends_on: "`after: [NAME, …]` lists the services that start before this one",
    links: "containers of a stack find each other by name; `after` is about the order",
    requires: "`after: [NAME, …]` lists the services that start before this one",
    healthcheck:
      "a web service has `health: /path`, every service `health: {command, interval, timeout, grace, retries}`",
    health_check: "it is `health`",
    container_name: "leave it out: names are made of the stack and the service",
    environment: "variables are `env: {NAME: value}`",
    envs: "variables are `env: {NAME: value}`",
    clear: "variables are `env: {NAME: value}`",
    secret: "it is `secrets: [NAME, …]`",
    expose: "leave it out: containers of a stack reach each other; a web service says its `port`",
    deploy: "copies are `replicas`, limits `resources: {memory, cpus, pids}`",
    scale: "copies are `replicas` of a web service",
    entrypoint:
      "`command` is given to the image's own entrypoint; another one belongs into the Dockerfile",
    cmd: "it is `command`",
    run: "it is `exec` (native) or `command` (container)",
    execstart: "it is `exec`",
    start: "it is `exec` (native) or `command` (container)",
    labels: "leave them out: routes are `proxy.sites`",
    logging:
      "leave it out: what is printed is in the journal (`hostkit logs`), whose size is `host.journal.max`",
    networks:
      "leave it out: every stack has a network of its own, on which containers find each other by name",
    network_mode:
      "leave it out: every stack has a network of its own; what must be in the host's network runs natively (`exec`, `apt`, `package`)",
    cap_add:
      "containers have no capabilities; what needs some runs natively (`exec`, `apt`, `package`)",
    cap_drop: "leave it out: containers have no capabilities",
    privileged:
      "containers are never privileged; what needs that runs natively (`exec`, `apt`, `package`)",
    security_opt: "leave it out: containers cannot gain privileges",
    read_only:
      "leave it out: a container's root is read-only; what is written goes to `volumes` or /tmp",
    extra_hosts:
      "names come from DNS, and the stack's containers find each other by name; other names cannot be added",
    ulimits: "the only limits are `resources: {memory, cpus, pids}`",
    tmpfs: "/tmp is one already; other places need `volumes`",
    devices: "containers see no devices; what needs one runs natively (`exec`, `apt`, `package`)",
    gpus: "containers see no devices; what needs one runs natively (`exec`, `apt`, `package`)",
    dns: "leave it out: containers ask whom the host asks",
    hostname: "leave it out: it is the service's name",
    init: "leave it out; a program that starts others brings its own init in the image",
    ipc: "it cannot be shared",
    pid: "it cannot be shared; the limit is `resources.pids`",
    platform: "leave it out: the host's own",
    profiles: "leave it out: a manifest's services all run; another set is another manifest",
    pull_policy: "leave it out: an image is pinned by its digest, and pulled once",
    shm_size: "it cannot be set; 64 MiB are Docker's own",
    stdin_open: "leave it out: nobody types into a service",
    tty: "leave it out: nobody types into a service",
    stop_grace_period:
      "leave it out: a container that does not end after 10 s is killed (a native program after 20 s)",
    stop_signal: "it belongs into the Dockerfile (STOPSIGNAL)",
    sysctls: "the host's are `host.sysctl`",
    userns_mode: "leave it out: every service runs as a user of its own (`user`)",
    group_add: "it cannot be set; `user` says as whom it runs",
    group: "the user's own group; `user` says as whom it runs",
    working_dir: "it belongs into the Dockerfile (WORKDIR), or into the command",
    workdir: "it belongs into the Dockerfile (WORKDIR), or into the command",
    directory: "it belongs into the Dockerfile (WORKDIR), or into the command",
    configs:
      "build them into the image, or mount a folder of the host: `volumes: [/host/path:/path:ro]`",
    volumes_from: "name the same volume in both `volumes`",
    mounts: "they are `volumes: [name:/path, /host/path:/path:ro]`",
    storage: "it is `volumes: [name:/path]`",
    mem_limit: "it is `resources.memory`",
    memory: "it is `resources.memory`",
    mem_reservation: "the limit is `resources.memory`; nothing is reserved",
    cpus: "it is `resources.cpus`",
    cpu: "it is `resources.cpus`",
    cpu_shares: "the limit is `resources.cpus`",
    pids_limit: "it is `resources.pids`",
    limits: "they are `resources: {memory, cpus, pids}`",
    context: "it is `build: {context, dockerfile, args, target}`",
    dockerfile: "it is `build: {context, dockerfile, args, target}`",
    args: "build arguments are `build: {context, args}`; arguments of the program stand in `command` or `exec`",
    target: "it is `build: {context, target}`",
    deb: "it is `package: PATH`",
    url: "a download is `archive: {url, sha256}` with `exec`",
    sha256: "a download is `archive: {url, sha256}` with `exec`",
    domain: "names are `proxy.sites`: {NAME: {routes: SERVICE}}",
    domains: "names are `proxy.sites`: {NAME: {routes: SERVICE}}",
    host: "names are `proxy.sites`: {NAME: {routes: SERVICE}}; a stack runs on every one of `hosts`",
    hosts: "a stack runs on every one of `hosts`; names of sites are `proxy.sites`",
    routes: "they are `proxy.sites`: {NAME: {routes: {/path/*: SERVICE}}}",
    path: "paths are `proxy.sites`: {NAME: {routes: {/path/*: SERVICE}}}",
    ssl: "certificates are `tls` of each of `proxy.sites`",
    tls: "certificates are `tls` of each of `proxy.sites`",
    schedule:
      "hostkit has no timers: a program that waits by itself, or a systemd timer in a .deb (`package`)",
    cron: "hostkit has no timers: a program that waits by itself, or a systemd timer in a .deb (`package`)",
    state: "leave it out: what is in the manifest is there, what is not is removed",
    backup: "files and volumes are `backups.files`",
    watch: "`hostkit dev` watches by itself",
    migrations: "they are `database.databases.NAME.migrations`",
    instances: "copies are `replicas` of a web service",
    config: "settings are `env`, `env_file` or files in the image",
  },
  services: {
    replicas: "only web services have copies: it would have to be an entry of `web`",
    port: "a program that answers HTTP is an entry of `web`; a port that is open outside is `ports`",
  },
  web: { watchdog: "only entries of `services` have one; a web service has `health`" },
  health: {
    start_period: "it is `grace`",
    start_interval: "leave it out: a new release is asked three times a second",
    test: "it is `command` without CMD or CMD-SHELL; a web service that answers over HTTP has `path`",
    cmd: "it is `command`",
    url: "it is `path`",
    uri: "it is `path`",
    endpoint: "it is `path`",
    port: "leave it out: it is the service's `port`",
    disable: "leave out `health`: then only the port is tried",
    delay: "it is `grace`",
    max_attempts: "it is `retries`",
  },
  registry: {
    username: "it is `user`",
    login: "it is `user`",
    token: "it is `password`: the name of the secret that holds it",
    password_file: "it is `password`: the name of a secret, which `secrets` may take from a file",
    server: "the registry is the key: {HOST: {user, password}}",
    url: "the registry is the key: {HOST: {user, password}}",
    insecure:
      "Docker takes plain HTTP from the host itself alone; an authority of your own is `ca`",
    tls_verify: "leave it out: an authority of your own is `ca`",
  },
  resources: {
    limits: "write them here: {memory, cpus, pids}",
    reservations: "nothing is reserved; limits are {memory, cpus, pids}",
    mem: "it is `memory`",
    ram: "it is `memory`",
    cpu: "it is `cpus`",
    disk: "disk space cannot be limited",
    nofile: "it cannot be set",
  },
  build: {
    path: "it is `context`",
    dockerfile_inline: "write a file and name it in `dockerfile`",
    cache_from: "leave it out: the host keeps what it built",
    cache_to: "leave it out: the host keeps what it built",
    platforms: "leave it out: it is built on the host, for the host",
    platform: "leave it out: it is built on the host, for the host",
    tags: "leave it out: the tag names the content",
    labels: "they belong into the Dockerfile",
    secrets: "a build gets no secrets",
    network: "it cannot be set",
    additional_contexts: "there is one context",
  },
  site: {
    proxy_pass: "it is `routes`: {/path/*: SERVICE}",
    reverse_proxy: "it is `routes`: {/path/*: SERVICE}",
    upstream: "it is `routes`: {/path/*: SERVICE}",
    service: "it is `routes`: SERVICE",
    to: "it is `routes`: SERVICE",
    locations: "they are `routes`: {/path/*: SERVICE}",
    certificate: "it is `tls: {certificate, key}`",
    key: "it is `tls: {certificate, key}`",
    ssl: "it is `tls`",
    client_max_body_size: "it is `max_body`",
    max_body_size: "it is `max_body`",
    root: "files are served by a program: an entry of `web`, in `routes`",
    static: "files are served by a program: an entry of `web`, in `routes`",
    file_server: "files are served by a program: an entry of `web`, in `routes`",
    basic_auth: "a program does that: an entry of `web`, in `routes`",
    cors: "they are `headers`, or the program's own",
    redirects: "a site that is only a redirect has `redirect: URL`",
    aliases: "each name is a site of its own; `redirect` sends it on",
  },
  proxy: {
    domains: "they are `sites`",
    hosts: "they are `sites`",
    host: "it is an entry of `sites`",
    ssl: "it is `tls` of each of `sites`",
    tls: "it is `tls` of each of `sites`",
    routes: "they are `routes` of each of `sites`",
    app_port: "it is `port` of an entry of `web`",
  },
  host: {
    name: "it is `hostname`",
    packages: "hostkit installs what a service needs: `apt` of an entry of `services`",
    users: "services get users of their own by themselves; people's logins are not managed",
    ntp: "it is `time_sync`",
    firewall: "it is a section of its own: `firewall`",
    address: "the way to a machine is an entry of `hosts`; `host` is about its settings",
    user: "the way to a machine is an entry of `hosts`; `host` is about its settings",
  },
  hosts: {
    ansible_host: "it is `address`",
    ansible_user: "it is `user`",
    ansible_port: "it is `port`",
    ansible_ssh_private_key_file: "it is `identity`",
    hostname: "it is `address`; the host's own name is `host.hostname`",
    ip: "it is `address`",
    host: "it is `address`",
    username: "it is `user`",
    key: "it is `identity`",
    ssh_key: "it is `identity`",
    private_key: "it is `identity`",
    identityfile: "it is `identity`",
    proxyjump: "it is `jump`",
    bastion: "it is `jump`",
    become: "it is `sudo`",
    password: "passwords are asked for; a key is `identity`",
    labels: "every host runs the whole stack",
    roles: "every host runs the whole stack",
  },
  database: {
    name: "it is an entry of `databases`",
    image: "PostgreSQL runs natively; `version` says which",
    users: "they are `roles`",
    user: "it is an entry of `roles`, or `owner` of a database",
    password: "there is none: services log in over the Unix socket as their role",
    port: "it is 5432; services are given the way there",
    host: "it runs on the host itself; services are given the way there",
    extensions: "they belong to each of `databases`: {NAME: {extensions: […]}}",
    migrations: "they belong to each of `databases`: {NAME: {migrations: PATH}}",
    config: "it is `settings`",
    backups: "it is a section of its own: `backups.postgres`",
  },
  firewall: {
    open: "it is `allow`",
    ports: "it is `allow`",
    rules: "it is `allow`",
    ingress: "it is `allow`",
    deny: "leave it out: what `allow` does not list is closed",
    policy: "leave it out: what `allow` does not list is closed",
  },
  backups: {
    s3: "it is an entry of `repositories`: {NAME: {bucket, endpoint, access_key, secret_key}}",
    local: "it is an entry of `repositories`: {NAME: {path}}",
    sftp: "it is an entry of `repositories`: {NAME: {host, user, path, identity, host_key}}",
    destination: "it is an entry of `repositories`",
    retention: "it is `keep` of `postgres` and `files`",
    keep: "it is `keep` of `postgres` and `files`",
    schedule:
      "it is `schedule` of `files`, and `full`, `differential` and `incremental` of `postgres`",
    database: "it is `postgres`",
    volumes: "they are `files.volumes`",
    paths: "they are `files.paths`",
  },
};

/** Places whose words are looked up, the more special one first. */
function placesOf([section, name, third, ...rest]: Pointer): readonly string[] {
  if (section === undefined) return ["root"];
  if (section === "services" || section === "web") {
    if (name === undefined) return [];
    if (third === undefined) return [section, "service"];
    return rest.length === 0 ? [String(third)] : [];
  }
  if (section === "proxy" && name === "sites")
    return third === undefined || rest.length > 0 ? [] : ["site"];
  if (section === "registries")
    return name !== undefined && third === undefined ? ["registry"] : [];
  if (section === "hosts") return name === undefined ? [] : ["hosts"];
  return name === undefined ? [String(section)] : [];
}

/**
 * What hostkit says for a key that it does not know, where that can be told.
 * @param parent of the mapping that the key stands in
 */
export function explainForeignWord(parent: Pointer, key: string): string | undefined {
  const word = key.toLowerCase().replaceAll("-", "_");
  for (const place of placesOf(parent)) {
    const words = foreignWords[place];
    if (words !== undefined && Object.hasOwn(words, word)) return words[word];
  }
  if (parent.length === 0 && word.startsWith("x_"))
    return "leave it out: an anchor (&name) may stand where the value is first used";
  return undefined;
}
