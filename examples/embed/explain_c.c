#include <emend/c_api.h>
#include <stdio.h>

/* explain_c MODEL OPTIONS: which cells of the feed-forward layers make the model say its next token. OPTIONS
 * is JSON, such as {"prompt": "The capital of France is", "cells": 5}; prints JSON. */
static int failed(void) {
  fprintf(stderr, "%s\n", emend_last_error());
  return 1;
}

static int32_t show(void* data, const char* stage, int64_t done, int64_t total, const char* unit,
                    const char* note) {
  (void)data, (void)note;
  if (total > 0) fprintf(stderr, "%s: %lld of %lld %s\n", stage, (long long)done, (long long)total, unit);
  return 0; /* anything else ends the call */
}

int main(int argc, char** argv) {
  emend_model* model = NULL;
  emend_text* json = NULL;
  emend_watch watch = EMEND_WATCH_INIT;
  watch.progress = show;
  if (argc != 3) return 2;
  if (emend_model_load(argv[1], NULL, &model) != EMEND_OK) return failed();
  if (emend_memories(model, "explain", argv[2], &watch, &json) != EMEND_OK) return failed();
  printf("%s\n", emend_text_data(json));
  emend_text_free(json);
  emend_model_free(model);
  return 0;
}
