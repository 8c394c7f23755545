/** What is worth saying and no error. */

/** Something a user should know although the work goes on. */
export interface DiskWarning {
  /** Dotted, like {@link DiskError.detail}. */
  readonly detail: string;
  readonly message: string;
}
