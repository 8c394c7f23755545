/** Every kind of image that the kits try out. A new format joins the list here. */
import { qcow2Subjects } from './qcow2-subjects.ts';
import { parallelsSubjects, qcowSubjects, qedSubjects } from './qemu-subjects.ts';
import type { Subject } from './subject.ts';
import { vdiSubjects } from './vdi-subjects.ts';
import { vhdSubjects } from './vhd-subjects.ts';
import { vhdxSubjects } from './vhdx-subjects.ts';
import { vmdkSubjects } from './vmdk-subjects.ts';

export function allSubjects(): Subject[] {
  return [
    ...qcow2Subjects(),
    ...vdiSubjects(),
    ...vhdSubjects(),
    ...vhdxSubjects(),
    ...qedSubjects(),
    ...qcowSubjects(),
    ...parallelsSubjects(),
    ...vmdkSubjects(),
  ];
}
