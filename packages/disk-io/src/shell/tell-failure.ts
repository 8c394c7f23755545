/** When a request's failure is said: those that run beside other commands are told of in turn. */
import type { Session } from './session.ts';

export type TellFailure = (text: string) => void;

export function atOnce({ console }: Session): TellFailure {
  return (text) => console.out(text);
}

export function later(session: Session): TellFailure {
  return (text) => session.tellLater(text);
}
