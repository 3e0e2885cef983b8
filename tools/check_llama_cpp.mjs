// What llama.cpp says, for tools/check_llama_cpp.py: node check_llama_cpp.mjs JOB.json OUT.json
//
// JOB: {"package": folder of node-llama-cpp, "model": GGUF file, "lora": adapter or null, "prompts": lists of ids, "new": ids to
// add to each, "float32": whether keys and values are kept in float32}. OUT: {"llama.cpp": its release, "answers": for each prompt
// {"logprobs": [[id, log-probability], ...] of the first new id, likeliest first, "ids": the greedy continuation, "text"}}.
import fs from "fs";
import path from "path";

const job = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const {getLlama} = await import(path.join(job.package, "dist/index.js"));
const llama = await getLlama({gpu: false, build: "never", maxThreads: 1, logLevel: "error"});
const model = await llama.loadModel({modelPath: job.model});
const kept = job.float32 ? {experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"} : {};
const context = await model.createContext({
    contextSize: 256, batchSize: 256, threads: 1, flashAttention: false, ...kept,
    ...(job.lora ? {lora: job.lora} : {}),
});
const sequence = context.getSequence();

// The last of `ids` is evaluated with the wish to see what follows.
async function next(ids, probabilities) {
    const wish = {generateNext: {token: true, probabilities, options: {temperature: 0}}};
    const results = await sequence.controlledEvaluate([...ids.slice(0, -1), [ids.at(-1), wish]]);
    return results.at(-1).next;
}

const answers = [];
for (const prompt of job.prompts) {
    await sequence.clearHistory();
    let found = await next(prompt, true);
    const logprobs = [...found.probabilities].map(([id, p]) => [id, Math.log(p)]).sort((a, b) => b[1] - a[1]);
    const ids = [];
    while (found.token != null && ids.length < job.new) {
        ids.push(found.token);
        if (ids.length < job.new) found = await next([found.token], false);
    }
    answers.push({logprobs, ids, text: model.detokenize(ids)});
}
fs.writeFileSync(process.argv[3], JSON.stringify({"llama.cpp": llama.llamaCppRelease?.release ?? null, answers}));
process.exit(0); // the binding keeps the process alive
