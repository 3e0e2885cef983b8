/* The C interface: statuses, handles, progress, models, generated text, result texts. Include emend/c_api.h,
 * which says what holds for all of them. */
#ifndef EMEND_C_API_MODEL_H
#define EMEND_C_API_MODEL_H

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

/* In place of a layer's number: that of the text; the rule by depth, 1 + round(layers / 10); or a decision
 * that is kept, else a trial of some of the edits (docs/locate.md). */
#define EMEND_LAYER_OF_TEXT (-1)
#define EMEND_LAYER_DEPTH (-2)
#define EMEND_LAYER_AUTO (-3)

typedef int32_t emend_status;
enum {
  EMEND_OK = 0,
  EMEND_INTERNAL = 1,     /* out of memory, or an error in this library */
  EMEND_USAGE = 2,        /* an invalid argument: NULL, out of range, options of an unknown size */
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

/* What the last call of this thread that returned an emend_status had to say; "" after EMEND_OK. Valid until
 * the next. */
EMEND_API const char* emend_last_error(void);

/* How far a call is: `done` of `total` `unit`s of `stage` ("searching", "loading model"); `note` is a short
 * remark or "". total 0: a remark between stages. Called from the thread that made the call, on which it may
 * call anything but functions of the same model other than emend_cancel and emend_model_free (they return
 * EMEND_USAGE). Any return value other than 0 cancels. */
typedef int32_t (*emend_progress_fn)(void* data, const char* stage, int64_t done, int64_t total,
                                     const char* unit, const char* note);

/* ---- models */

typedef struct emend_load_options {
  size_t size;
  const char* device; /* "cpu", "cuda", "cuda:1"; NULL: "cpu" */
  const char* dtype;  /* "float32", "bfloat16", "float16" (CUDA only); NULL: "float32" */
  int32_t threads;    /* of every call on this model; 0: what libtorch takes by itself */
  emend_progress_fn progress;
  void* progress_data;
  int64_t memory_bytes; /* of the process, on the CPU; 0: no limit. Blocks whose weights find no room beside
                           the work of an edit of one fact are read from the file whenever a pass comes to
                           them: slower, and bit for bit the same */
} emend_load_options;
#define EMEND_LOAD_OPTIONS_INIT \
  { sizeof(emend_load_options), NULL, NULL, 0, NULL, NULL, 0 }

/* Who follows a call that has no options struct of its own. NULL stands for nobody. */
typedef struct emend_watch {
  size_t size;
  emend_progress_fn progress;
  void* progress_data;
} emend_watch;
#define EMEND_WATCH_INIT \
  { sizeof(emend_watch), NULL, NULL }

/* A safetensors folder or file, or a GGUF file. */
EMEND_API emend_status emend_model_load(const char* path, const emend_load_options* options,
                                        emend_model** model);
EMEND_API emend_status emend_model_free(emend_model* model);

/* JSON: {"path", "family", "layers", "d_model", "d_ff", "vocab", "fingerprint"}. */
EMEND_API emend_status emend_model_info(emend_model* model, emend_text** json);

/* What the model is in numbers: parameters by part, stored types, tokenizer. JSON as that of `emend model
 * info --json`. Patches that are on it change none of this. */
EMEND_API emend_status emend_model_summary(emend_model* model, emend_text** json);

/* Whether the model can be edited: its tokenizer gives texts back as they were. JSON as that of `emend model
 * check --json`, with roles, norms, memory and what is not supported. EMEND_BAD_INPUT: it does not. */
EMEND_API emend_status emend_model_check(emend_model* model, emend_text** json);

/* The same of a file or folder by its headers alone, without loading it, as `emend model check --headers`.
 * `dtype` as in the load options, for the memory that work will take; NULL: "float32". EMEND_BAD_INPUT: it
 * cannot be loaded; JSON with the reason is returned nevertheless, unless its headers cannot be read. */
EMEND_API emend_status emend_model_check_file(const char* path, const char* dtype, emend_text** json);

/* Hex digest of the weights as they are in memory now: with the same patches on, the same text. */
EMEND_API emend_status emend_model_digest(emend_model* model, emend_text** hex);

/* Ends the calls on this model that are running or waiting now with EMEND_CANCELLED, at the next step of
 * their work; later calls are not touched. Not for signal handlers. */
EMEND_API emend_status emend_cancel(emend_model* model);

/* ---- text */

typedef struct emend_generate_options {
  size_t size;
  int64_t max_new;      /* tokens at most, 1 to 1000000; cut to what the model's positions hold */
  double temperature;   /* 0: the likeliest token each time; up to 100 */
  uint64_t seed;        /* of the draws */
  const char* form;     /* "raw", or "chat": through the model's chat template; NULL: "raw" */
  const char* bos;      /* "auto", "none" or a token; NULL: "auto", what the tokenizer itself does */
  int64_t token_budget; /* tokens that one pass may hold; 0: what suits the model's device */
  emend_progress_fn progress;
  void* progress_data;
  int64_t top; /* of emend_generate_report: how many of the likeliest next tokens to list; 0: none */
} emend_generate_options;
#define EMEND_GENERATE_OPTIONS_INIT \
  { sizeof(emend_generate_options), 20, 0.0, 0, NULL, NULL, 4096, NULL, NULL, 0 }

/* The continuation of `prompt`, without it, as `emend generate` gives it. */
EMEND_API emend_status emend_generate(emend_model* model, const char* prompt,
                                      const emend_generate_options* options, emend_text** text);

/* The same with the tokens of both and the likeliest next tokens: JSON as that of `emend generate --json`. */
EMEND_API emend_status emend_generate_report(emend_model* model, const char* prompt,
                                             const emend_generate_options* options, emend_text** json);

/* ---- result texts */

/* Valid until the text is freed; NULL for a bad handle. A NUL ends it, and may stand in it. */
EMEND_API const char* emend_text_data(emend_text* text);
EMEND_API size_t emend_text_size(emend_text* text); /* bytes, without the NUL behind; 0 for a bad handle */
EMEND_API emend_status emend_text_free(emend_text* text);

#ifdef __cplusplus
}
#endif

#endif
