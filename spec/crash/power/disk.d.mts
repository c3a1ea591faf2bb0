export declare const SECTOR: 512;

export type DiskEvent =
  | { readonly kind: "create"; readonly file: number; readonly name: string }
  | { readonly kind: "unlink"; readonly name: string }
  | { readonly kind: "write"; readonly file: number; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: "truncate"; readonly file: number; readonly size: number }
  | { readonly kind: "sync"; readonly file: number; readonly name: string }
  | { readonly kind: "sync-folder" };

export declare class Disk {
  constructor(ignores?: (event: DiskEvent) => boolean);
  readonly pending: readonly { readonly kind: string; readonly index: number }[];
  apply(event: DiskEvent, index: number): void;
  filesAfter(kept: readonly (boolean | readonly boolean[])[]): ReadonlyMap<string, Buffer>;
}
