import { AsyncLocalStorage } from "node:async_hooks";

/** For which half message the running code was asked, over all transaction producers of the process. */
export const runningCheck: AsyncLocalStorage<object | undefined> = new AsyncLocalStorage();
