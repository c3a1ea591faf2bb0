const nothing = () => undefined;

/** A logger that says nothing. */
export const silence = { debug: nothing, info: nothing, warn: nothing, error: nothing };
