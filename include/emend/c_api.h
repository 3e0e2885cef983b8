/* emend for C and for every language that can call C: load a model, edit facts, generate, save, check, apply
 * and take back patches, find out where facts are kept, read feed-forward layers as memories, collect
 * statistics, run benchmarks. C11; no C++ and no torch type crosses this interface. Library: libemend_c.
 *
 * Results. Every function that can fail returns an emend_status. When it is not EMEND_OK, emend_last_error()
 * of the same thread says what was wrong, where, and what to do. Nothing here prints, exits, or throws.
 *
 * Handles. emend_model, emend_patch and emend_text are opaque; a handle is a number stored in a pointer,
 * which is never dereferenced. NULL, a freed handle and a handle of another kind are refused with
 * EMEND_BAD_HANDLE and do no harm. A number is never given out twice. Each handle is freed by its own
 * function; out parameters are set to NULL on failure unless a function says otherwise.
 *
 * Threads. Any thread may call any function with any handle. Calls on one model run one after another; calls
 * on different models run side by side and give what they give alone. A model that is freed during a call
 * lives until that call ends. A patch never changes. emend_last_error() belongs to the calling thread.
 *
 * Texts are UTF-8 and end with a NUL. Strings that are passed in are copied.
 *
 * Options. NULL stands for all defaults, unless a function says which field it needs. Else start from the
 * ..._INIT macro, which sets `size`: by it a newer library knows which fields an older program has. Functions
 * and fields may be added, never taken away: EMEND_ABI counts breaks.
 */
#ifndef EMEND_C_API_H
#define EMEND_C_API_H

#include <emend/c_api_edit.h>
#include <emend/c_api_memories.h>
#include <emend/c_api_model.h>
#include <emend/c_api_run.h>

#endif
