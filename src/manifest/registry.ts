/** An entry of `registries`. */
export interface Registry {
  /** As images name it, in one spelling: `docker.io`, `registry.example.org:5000`. */
  readonly name: string;
  /** The key in the manifest. */
  readonly written: string;
  /** `password` is the name of a secret. */
  readonly login?: { readonly user: string; readonly password: string };
  /** Local PEM file of the authority that signed its certificate. */
  readonly ca?: string;
}
