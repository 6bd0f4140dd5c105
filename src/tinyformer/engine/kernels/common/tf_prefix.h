/* SPDX-License-Identifier: Apache-2.0 */
/* The prefix of every kernel's symbol. A generated package replaces this file by its own, so that two models link into
 * one program even if they use different versions of a kernel. */
#ifndef TF_PREFIX
#define TF_PREFIX tf_
#endif
