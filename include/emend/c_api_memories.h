/* The C interface: feed-forward layers as key-value memories. Include emend/c_api.h, which says what holds
 * for all functions.
 *
 * Each command of `emend memories` is an analysis here. Its options are the text of a JSON object with the
 * names that docs/embedding.md lists (emend_memories_list tells them to programs), such as
 *   {"prompt": "The capital of France is", "token": "Paris", "cells": 10}
 * NULL and "{}" stand for no options; an option that is left out or null takes its default. EMEND_USAGE, with
 * the name: an option that the analysis does not have (the nearest one is offered), a value of another type,
 * one that is needed and left out. The result is JSON as that of the program's --json. With a model, a run is
 * on it as it was loaded: patches that are on it are off meanwhile. Folders of an index are those that the
 * analysis `scan` writes. */
#ifndef EMEND_C_API_MEMORIES_H
#define EMEND_C_API_MEMORIES_H

#include <emend/c_api_model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Analyses of one model: "scan", "values", "aggregate", "explain", "knowledge", "layers", "cluster", "set";
 * of an index, with `model` NULL: "merge", "report", "export", "import", "search"; of an index
 * with or without its model: "cell", "audit", "patterns". "scan" tells warnings and notes on its plan as
 * "warnings" and "notes". */
EMEND_API emend_status emend_memories(emend_model* model, const char* analysis, const char* options,
                                      const emend_watch* watch, emend_text** json);

/* Two checkpoints of one shape cell by cell, as `emend memories compare`. */
EMEND_API emend_status emend_memories_compare(emend_model* first, emend_model* second, const char* options,
                                              const emend_watch* watch, emend_text** json);

/* Which cells the patches move, as `emend memories footprint`. They must be made for `model`, and no two may
 * write the same key; those that are on it do not matter. */
EMEND_API emend_status emend_memories_footprint(emend_model* model, emend_patch* const* patches, size_t count,
                                                const char* options, const emend_watch* watch,
                                                emend_text** json);

/* Settings of cells as a patch, as `emend memories bake`. The model is not changed. `json`: NULL, or as that
 * of emend_patch_report. With EMEND_CHECK_FAILED there is a patch all the same. */
EMEND_API emend_status emend_memories_bake(emend_model* model, const char* options, const emend_watch* watch,
                                           emend_patch** patch, emend_text** json);

/* The analyses and their options: {"explain": {"function": "emend_memories", "model": "needed", "options":
 * [{"name": "prompt", "type": "text", "needed": true}, {"name": "top", "type": "integer", "default": 5},
 * ...]},
 * ...}. "model" is "needed", "possible", "none" or "two". */
EMEND_API emend_status emend_memories_list(emend_text** json);

#ifdef __cplusplus
}
#endif

#endif
