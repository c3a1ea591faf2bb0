export declare function whyNot(): string | undefined;
