import type { Place } from "../../support/live-copies.js";

export type Mark =
  | {
      readonly kind: "begun";
      readonly unit: string;
      readonly messages: readonly { readonly key: string; readonly size: number }[];
      readonly rows: readonly string[];
      readonly effects?: readonly string[];
      readonly of?: string;
    }
  | { readonly kind: "stored" | "undone"; readonly unit: string }
  | { readonly kind: "returned"; readonly key: string; readonly result: "success" | "retry" }
  | { readonly kind: "acknowledged" | "completed"; readonly key: string }
  | { readonly kind: "closed" };

export interface Expectation {
  readonly point: number;
  readonly promise: "full" | "normal";
  readonly told: readonly { readonly mark: Mark; readonly after: number }[];
  readonly digests: readonly string[];
}

export interface Content {
  readonly messages: readonly {
    readonly key: string;
    readonly size: number;
    readonly isWhole: boolean;
    readonly queueId: number;
    readonly queueOffset: number;
  }[];
  readonly copies: ReadonlyMap<string, readonly Place[]> | undefined;
  readonly rows: readonly string[];
  readonly halves?: readonly string[];
  readonly done?: readonly string[];
}

export declare function judge(
  expectation: Expectation,
  observation: { readonly digest: string; readonly content: Content },
): readonly string[];
