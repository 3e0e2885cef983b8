// Several models and edits in one process, from several threads: each gives what it gives alone.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>
#include <vector>

#include "c_handles.h"

namespace emend::test {
namespace {

namespace fs = std::filesystem;

std::string world(const std::string& family) {
  return std::string(EMEND_TEST_DATA) + "/world/" + family;
}

class Threads : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "emend_threads.XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  // The saved bytes of a patch, which hold every number of the edit and its checks.
  std::string bytes_of(emend_patch* patch) {
    const fs::path file = folder_ / (std::to_string(files_++) + ".safetensors");
    must(emend_patch_save(patch, file.c_str()));
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
  }

 private:
  fs::path folder_;
  std::atomic<int> files_{0};
};

// All at the same time; what a thread throws is told.
void run_together(const std::vector<std::function<void()>>& works) {
  std::atomic<std::size_t> ready{0};
  std::vector<std::thread> threads;
  for (const auto& work : works)
    threads.emplace_back([&] {
      ++ready;
      while (ready < works.size()) std::this_thread::yield();
      try {
        work();
      } catch (const std::exception& failure) {
        ADD_FAILURE() << failure.what();
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(Threads, EditsOfSeveralModelsAtOnceGiveTheSameBytesAsAlone) {
  const OwnedModel gpt2 = load_model(world("gpt2"), 1);
  const OwnedModel twin = load_model(world("gpt2"), 2);
  const OwnedModel llama = load_model(world("llama"), 1);
  const std::vector<emend_model*> models = {gpt2, twin, llama};
  const std::vector<std::string> edits = {painter_edit(), language_edit()};
  std::vector<std::vector<std::string>> alone;
  std::vector<std::string> base;
  for (emend_model* const model : models) {
    base.push_back(digest(model));
    alone.emplace_back();
    for (const std::string& edit : edits) alone.back().push_back(bytes_of(make_patch(model, edit)));
  }
  std::vector<std::function<void()>> works;
  for (std::size_t m = 0; m < models.size(); ++m)
    for (std::size_t e = 0; e < edits.size(); ++e)
      works.emplace_back([&, m, e] {
        const OwnedPatch patch = make_patch(models[m], edits[e]);
        EXPECT_TRUE(bytes_of(patch) == alone[m][e]) << "model " << m << ", edit " << e;
        must(emend_apply(models[m], patch, 0));
        continued(models[m], "Workis Tellond was trained as a");
        must(emend_revert(models[m], patch));
      });
  run_together(works);
  for (std::size_t m = 0; m < models.size(); ++m) EXPECT_EQ(digest(models[m]), base[m]);
}

TEST_F(Threads, RunsOverPatchesAreOnTheLoadedModelWhateverOtherThreadsLayOnIt) {
  const OwnedModel gpt2 = load_model(world("gpt2"), 1);
  const OwnedModel llama = load_model(world("llama"), 1);
  const std::vector<emend_model*> models = {gpt2, llama};
  std::vector<OwnedPatch> painters, languages;
  std::vector<std::string> alone;
  const auto verified = [](emend_model* model, emend_patch* patch) {
    emend_text* text = nullptr;
    must(emend_verify(model, &patch, 1, nullptr, &text));
    return taken(text);
  };
  for (emend_model* const model : models) {
    painters.push_back(make_patch(model, painter_edit()));
    languages.push_back(make_patch(model, language_edit()));
    alone.push_back(verified(model, painters.back()));
  }
  std::vector<std::function<void()>> works;
  for (std::size_t m = 0; m < models.size(); ++m) {
    works.emplace_back([&, m] {
      for (int i = 0; i < 4; ++i) EXPECT_EQ(verified(models[m], painters[m]), alone[m]) << "model " << m;
    });
    works.emplace_back([&, m] {
      for (int i = 0; i < 4; ++i) {
        must(emend_apply(models[m], languages[m], 0));
        must(emend_revert(models[m], languages[m]));
      }
    });
  }
  run_together(works);
}

TEST_F(Threads, AModelThatIsFreedDuringACallLivesUntilTheCallEnds) {
  struct Signal {
    std::atomic<bool> begun{false};
    static std::int32_t note(void* data, const char*, std::int64_t, std::int64_t, const char*, const char*) {
      static_cast<Signal*>(data)->begun = true;
      return 0;
    }
  } signal;
  emend_model* model = nullptr;
  must(emend_model_load(world("gpt2").c_str(), nullptr, &model));
  emend_edit_options options = EMEND_EDIT_OPTIONS_INIT;
  options.progress = Signal::note;
  options.progress_data = &signal;
  OwnedPatch patch;
  std::thread worker(
      [&] { EXPECT_EQ(emend_edit(model, painter_edit().c_str(), &options, patch.out()), EMEND_OK); });
  while (!signal.begun) std::this_thread::yield();
  EXPECT_EQ(emend_model_free(model), EMEND_OK);
  worker.join();
  EXPECT_FALSE(bytes_of(patch).empty());
  EXPECT_EQ(emend_model_free(model), EMEND_BAD_HANDLE);
}

TEST_F(Threads, CancelEndsTheCallsThatRunAndWaitAndNoLaterOnes) {
  struct Gate {
    std::atomic<bool> begun{false}, open{false};
    static std::int32_t wait(void* data, const char*, std::int64_t, std::int64_t, const char*, const char*) {
      auto* const gate = static_cast<Gate*>(data);
      gate->begun = true;
      while (!gate->open) std::this_thread::yield();
      return 0;
    }
  } gate;
  const OwnedModel model = load_model(world("gpt2"), 1);
  emend_edit_options options = EMEND_EDIT_OPTIONS_INIT;
  options.progress = Gate::wait;
  options.progress_data = &gate;
  std::atomic<int> cancelled{0}, waiting{0};
  const auto edit = [&](const emend_edit_options* how) {
    emend_patch* patch = nullptr;
    ++waiting;
    if (emend_edit(model, painter_edit().c_str(), how, &patch) == EMEND_CANCELLED) ++cancelled;
    EXPECT_EQ(patch, nullptr);
  };
  std::thread running([&] { edit(&options); });
  while (!gate.begun) std::this_thread::yield();
  std::thread queued([&] { edit(nullptr); });
  while (waiting < 2) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // until it stands in the queue
  must(emend_cancel(model));
  gate.open = true;
  running.join();
  queued.join();
  EXPECT_EQ(cancelled, 2);
  EXPECT_FALSE(bytes_of(make_patch(model, painter_edit())).empty());
}

TEST_F(Threads, TheLastErrorBelongsToItsThread) {
  EXPECT_EQ(emend_text_free(nullptr), EMEND_BAD_HANDLE);
  std::thread([] { EXPECT_STREQ(emend_last_error(), ""); }).join();
  EXPECT_STRNE(emend_last_error(), "");
}

TEST_F(Threads, HandlesMadeAndFreedByManyThreadsAreNeverMixedUp) {
  const OwnedModel model = load_model(world("gpt2"), 1);
  const std::string info = [&] {
    emend_text* text = nullptr;
    must(emend_model_info(model, &text));
    return taken(text);
  }();
  const auto work = [&] {
    for (int i = 0; i < 200; ++i) {
      emend_text* text = nullptr;
      must(emend_model_info(model, &text));
      EXPECT_TRUE(info == emend_text_data(text));
      must(emend_text_free(text));
      EXPECT_EQ(emend_text_free(text), EMEND_BAD_HANDLE);
    }
  };
  run_together({work, work, work, work});
}

}  // namespace
}  // namespace emend::test
