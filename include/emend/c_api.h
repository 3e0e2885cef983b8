/* emend for C and for every language that can call C: load a model, edit facts from YAML, generate, save, apply and
 * take back patches. C11; no C++ and no torch type crosses this interface. Library: libemend_c.
 *
 * Results. Every function that can fail returns an emend_status. When it is not EMEND_OK, emend_last_error() of the same
 * thread says what was wrong, where, and what to do. Nothing here prints, exits, or throws.
 *
 * Handles. emend_model, emend_patch and emend_text are opaque; a handle is a number in a pointer's clothes that is never
 * followed. NULL, a freed handle and a handle of another kind are refused with EMEND_BAD_HANDLE and do no harm. A number
 * is never given out twice. Each handle is freed by its own function; out parameters are set to NULL on failure unless a
 * function says otherwise.
 *
 * Threads. Any thread may call any function with any handle. Calls on one model run one after another; calls on different
 * models run side by side and give what they give alone. A model that is freed during a call lives until that call ends.
 * A patch never changes. emend_last_error() belongs to the calling thread.
 *
 * Texts are UTF-8 and end with a NUL. Strings that are passed in are copied.
 *
 * Options. NULL stands for all defaults. Else start from the ..._INIT macro, which sets `size`: by it a newer library knows
 * which fields an older program has. Functions and fields may be added, never taken away: EMEND_ABI counts breaks.
 */
#ifndef EMEND_C_API_H
#define EMEND_C_API_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define EMEND_API __attribute__((visibility("default")))
#else
#define EMEND_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define EMEND_ABI 1

typedef int32_t emend_status;
enum {
  EMEND_OK = 0,
  EMEND_INTERNAL = 1,     /* out of memory, or a mistake of ours */
  EMEND_USAGE = 2,        /* an argument that cannot be: NULL, out of range, options of an unknown size */
  EMEND_BAD_INPUT = 3,    /* a model, an edit file or a patch that cannot be used; nothing was changed */
  EMEND_CHECK_FAILED = 4, /* the work is done, but a check failed: the patch is marked as failed */
  EMEND_NUMERIC = 5,      /* a search did not converge */
  EMEND_BAD_HANDLE = 6,   /* NULL, freed, or of another kind */
  EMEND_CANCELLED = 130   /* by emend_cancel, or by a progress callback */
};

typedef struct emend_model emend_model; /* a loaded model, with the patches that are on it */
typedef struct emend_patch emend_patch; /* an edit with its checks: made by emend_edit or read from a file */
typedef struct emend_text emend_text;   /* a result text */

EMEND_API int32_t emend_abi(void);         /* EMEND_ABI of the library */
EMEND_API const char* emend_version(void); /* "0.1.0" */

/* What the last call of this thread that returned an emend_status had to say; "" after EMEND_OK. Valid until the next. */
EMEND_API const char* emend_last_error(void);

/* How far a call is: `done` of `total` `unit`s of `stage` ("searching", "loading model"); `note` is a short remark or "".
 * total 0: a remark between stages. Called from the thread that made the call, on which it may call anything but functions
 * of the same model other than emend_cancel and emend_model_free (they return EMEND_USAGE). Any answer but 0 cancels. */
typedef int32_t (*emend_progress_fn)(void* data, const char* stage, int64_t done, int64_t total, const char* unit,
                                     const char* note);

/* ---- models */

typedef struct emend_load_options {
  size_t size;
  const char* device; /* "cpu", "cuda", "cuda:1"; NULL: "cpu" */
  const char* dtype;  /* "float32", "bfloat16", "float16" (CUDA only); NULL: "float32" */
  int32_t threads;    /* of every call on this model; 0: what libtorch takes by itself */
  emend_progress_fn progress;
  void* progress_data;
} emend_load_options;
#define EMEND_LOAD_OPTIONS_INIT {sizeof(emend_load_options), NULL, NULL, 0, NULL, NULL}

/* A safetensors folder or file, or a GGUF file. */
EMEND_API emend_status emend_model_load(const char* path, const emend_load_options* options, emend_model** model);
EMEND_API emend_status emend_model_free(emend_model* model);

/* JSON: {"path", "family", "layers", "d_model", "d_ff", "vocab", "fingerprint"}. */
EMEND_API emend_status emend_model_info(emend_model* model, emend_text** json);

/* Hex digest of the weights as they are in memory now: with the same patches on, the same text. */
EMEND_API emend_status emend_model_digest(emend_model* model, emend_text** hex);

/* Ends the calls on this model that are running or waiting now with EMEND_CANCELLED, at the next step of their work; later
 * calls are not touched. Not for signal handlers. */
EMEND_API emend_status emend_cancel(emend_model* model);

/* ---- text */

typedef struct emend_generate_options {
  size_t size;
  int64_t max_new;      /* tokens at most, 1 to 1000000; cut to what the model's positions hold */
  double temperature;   /* 0: the likeliest token each time; up to 100 */
  uint64_t seed;        /* of the draws */
  const char* form;     /* "raw", or "chat": through the model's chat template; NULL: "raw" */
  const char* bos;      /* "auto", "none" or a token; NULL: "auto", what the tokenizer itself does */
  int64_t token_budget; /* tokens that one pass may hold, >= 1 */
  emend_progress_fn progress;
  void* progress_data;
} emend_generate_options;
#define EMEND_GENERATE_OPTIONS_INIT {sizeof(emend_generate_options), 20, 0.0, 0, NULL, NULL, 4096, NULL, NULL}

/* The continuation of `prompt`, without it, as `emend generate` gives it. */
EMEND_API emend_status emend_generate(emend_model* model, const char* prompt, const emend_generate_options* options,
                                      emend_text** text);

/* ---- edits */

typedef struct emend_edit_options {
  size_t size;
  const char* name;       /* stands for the file in messages; NULL: "edit.yaml" */
  const char* folder;     /* where relative paths in the text begin; NULL: the current folder */
  const char* statistics; /* folder of statistics, over the text's word; NULL: the text's, else the one beside the model */
  int32_t layer;          /* over the text's word; below 0: the text's */
  int32_t keep_going;     /* not 0: leave out edits whose search fails */
  uint64_t seed;          /* of contexts, and of text that the model writes for statistics */
  int64_t token_budget;   /* tokens that one pass may hold, >= 1 */
  emend_progress_fn progress;
  void* progress_data;
} emend_edit_options;
#define EMEND_EDIT_OPTIONS_INIT {sizeof(emend_edit_options), NULL, NULL, NULL, -1, 0, 0, 4096, NULL, NULL}

/* Makes and checks the edits of `yaml`, an edit file's text (docs/formats.md), as `emend edit` does; `model:` and `outputs:`
 * in it are passed over. The patch is for the model as it was loaded: patches that are on it are off meanwhile, and on again
 * afterwards. The model is not changed: emend_apply does that. Statistics that are not there are collected and saved first.
 * With EMEND_CHECK_FAILED, and with EMEND_NUMERIC when keep_going is set, there is a patch all the same. */
EMEND_API emend_status emend_edit(emend_model* model, const char* yaml, const emend_edit_options* options, emend_patch** patch);

/* ---- patches */

EMEND_API emend_status emend_patch_load(const char* path, emend_patch** patch);
/* The whole file or nothing. EMEND_BAD_INPUT for a patch that changes nothing. */
EMEND_API emend_status emend_patch_save(emend_patch* patch, const char* path);
/* JSON: {"base", "method", "options", "edits": [...], "checks": [...], "warnings", "passed"}. */
EMEND_API emend_status emend_patch_report(emend_patch* patch, emend_text** json);
EMEND_API emend_status emend_patch_free(emend_patch* patch);

enum { EMEND_FORCE = 1 }; /* emend_apply: also a patch that is marked as failed; emend_write: see its options */

/* Lays the patch on the model, over those that are on it already; the patch may be freed afterwards. EMEND_BAD_INPUT: made
 * for another base, on the model already, or marked as failed (without EMEND_FORCE). */
EMEND_API emend_status emend_apply(emend_model* model, emend_patch* patch, uint32_t flags);
/* Takes it off again, whatever lies over it: the weights are, byte for byte, those of the others alone. EMEND_BAD_INPUT: it is
 * not on the model. */
EMEND_API emend_status emend_revert(emend_model* model, emend_patch* patch);
/* Takes all off: the weights are those that were loaded. */
EMEND_API emend_status emend_revert_all(emend_model* model);

/* ---- checkpoints */

typedef struct emend_write_options {
  size_t size;
  const char* type;     /* how edited tensors are stored: "own" (as they were), "F32", "F16", "BF16", and in GGUF "Q8_0",
                           "Q4_1", "Q4_0"; NULL: "own" in safetensors, "F16" in GGUF (F32 stays) */
  uint32_t flags;       /* EMEND_FORCE: also patches that are marked as failed or overlap, and a type that does not hold them */
  int32_t check;        /* not 0: load what was written, beside the model, and repeat the patches' checks on it */
  int64_t token_budget; /* tokens that one pass may hold, >= 1 */
  emend_progress_fn progress;
  void* progress_data;
} emend_write_options;
#define EMEND_WRITE_OPTIONS_INIT {sizeof(emend_write_options), NULL, 0, 1, 4096, NULL, NULL}

/* The patches that are on the model, in the order in which they were applied, into a new checkpoint, as `emend patch apply
 * --out` does: `out` becomes a folder for safetensors, a file for GGUF. Only the tensors that the patches change get other
 * bytes. The base's files and the model stay as they are. The whole checkpoint or nothing; once it is there, it stays, also
 * with EMEND_CHECK_FAILED (a check fails on what was written) and EMEND_CANCELLED (during the checks). EMEND_BAD_INPUT: no
 * patch is on the model, a type that the format does not have or that does not hold the edit, a base whose files have changed since
 * they were loaded, an `out` that is the base or a folder with something in it, too little space (looked at first).
 * `report`: NULL, or JSON: {"written", "tensors": [...], "patches": [{"stored": [...], "checks": [...], "passed"}], "passed"}
 * with what of each update arrived in the stored type; also with EMEND_CHECK_FAILED. "passed" is null without checks. */
EMEND_API emend_status emend_write(emend_model* model, const char* out, const emend_write_options* options,
                                   emend_text** report);

/* ---- result texts */

/* Valid until the text is freed; NULL for a bad handle. A NUL ends it, and may stand in it. */
EMEND_API const char* emend_text_data(emend_text* text);
EMEND_API size_t emend_text_size(emend_text* text); /* bytes, without the NUL behind; 0 for a bad handle */
EMEND_API emend_status emend_text_free(emend_text* text);

#ifdef __cplusplus
}
#endif

#endif
