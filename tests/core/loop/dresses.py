"""One piece of code in each dress that models put code in, and what runs over it share."""

from __future__ import annotations

import json

from rlm_integrations.core.loop.reply_parser import parse_reply

COUNT = "n = context.count('well')\nprint(n)"
LONG = "a well, no well\n" * 2_000
DONE = "```repl\nFINAL('settled')\n```"
TOOL_CALL = {"name": "python", "arguments": {"code": COUNT}}
FENCED_CALL = {"name": "python", "arguments": {"code": f"```python\n{COUNT}\n```"}}
DRESSES = {
    "an unmarked fence": f"I count.\n```\n{COUNT}\n```",
    "tags": f"Thought: count.\n<code>\n{COUNT}\n</code>",
    "tags behind words": f"Code: <code>\n{COUNT}\n</code>",
    "a tag that a stop sequence cut off": f"<code>\n{COUNT}",
    "other tags": f"<execute_ipython>\n{COUNT}\n</execute_ipython>",
    "a tag of Llama": f"<|python_tag|>{COUNT}",
    "nothing": COUNT,
    "a tool call": json.dumps(TOOL_CALL),
    "a tool call behind words": f"I count.\n\n{json.dumps(TOOL_CALL, indent=2)}",
    "a tool call in a fence": f"```json\n{json.dumps(TOOL_CALL)}\n```",
    "a tool call in tags": f"<tool_call>\n{json.dumps(TOOL_CALL)}\n</tool_call>",
    "a tool call in tags that are not closed": f"<tool_call>{json.dumps(TOOL_CALL)}",
    "a tool call with a line break in its JSON": json.dumps(TOOL_CALL).replace("\\n", "\n"),
    "a list of tool calls": f"[TOOL_CALLS][{json.dumps(TOOL_CALL)}]",
    "arguments as a string": json.dumps({"name": "repl", "arguments": json.dumps({"code": COUNT})}),
    "a function": json.dumps({"type": "function", "function": {"name": "python", "arguments": {"code": COUNT}}}),
    "an action": json.dumps({"action": "python_repl", "action_input": COUNT}),
    "JSON of thought and code": json.dumps({"thought": "I count.", "code": COUNT}),
    "a fence that only says code": f"```code\n{COUNT}\n```",
    "parameters in tags": (
        f"<tool_call>\n<function=python>\n<parameter=code>\n{COUNT}\n</parameter>\n</function>\n</tool_call>"
    ),
    "parameters of an invocation": (
        f'<function_calls>\n<invoke name="python">\n<parameter name="code">{COUNT}</parameter>\n</invoke>\n'
        "</function_calls>"
    ),
    "an invocation behind words": (
        f'I count.\n<invoke name="repl">\n<parameter name="code">{COUNT}</parameter>\n</invoke>'
    ),
    "an invocation in a namespace": (
        f'<minimax:tool_call>\n<invoke name="python">\n<parameter name="code">{COUNT}</parameter>\n</invoke>\n'
        "</minimax:tool_call>"
    ),
    "keys and values in tags": (
        f"<tool_call>python\n<arg_key>code</arg_key>\n<arg_value>{COUNT}</arg_value>\n</tool_call>"
    ),
    "a function that holds JSON": f"<function=python>{json.dumps({'code': COUNT})}</function>",
    "a function that holds code": f"<function=python>\n{COUNT}\n</function>",
    "a name before JSON": f"[TOOL_CALLS]python{json.dumps({'code': COUNT})}",
    "a name and a word before JSON": f"[TOOL_CALLS]python[ARGS]{json.dumps({'code': COUNT})}",
    "tokens of Kimi": (
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.python:0<|tool_call_argument_begin|>"
        f"{json.dumps({'code': COUNT})}<|tool_call_end|><|tool_calls_section_end|>"
    ),
    "tokens of DeepSeek": (
        f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>python<｜tool▁sep｜>{json.dumps({'code': COUNT})}"
        "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
    ),
    "tokens of Gemma": f'<|tool_call>call:python{{code:<|"|>{COUNT}<|"|>}}<tool_call|>',
    "a list behind a word": f"functools[{json.dumps(TOOL_CALL)}]",
    "a tool call before words": f"{json.dumps(TOOL_CALL)}\nI wait for the output.",
    "JSON with more than code": json.dumps({"thought": "I count.", "code": COUNT, "done": False}),
    "HTML": f'<pre><code class="language-python">\n{COUNT}\n</code></pre>'.replace("'", "&#39;"),
    "a tag for any action": f"<action>\n{COUNT}\n</action>",
    "preformatted HTML": f'<pre lang="python">\n{COUNT}\n</pre>',
    "a tag with an attribute": f"<code lang=python>\n{COUNT}\n</code>",
    "a tag of another runner": f"<interpreter>\n{COUNT}\n</interpreter>",
    "a fence of text": f"```text\n{COUNT}\n```",
    "a word for Python in an unmarked fence": f"```\npython\n{COUNT}\n```",
    "a word for Python above": f"python\n{COUNT}",
    "three quotes": f"I count.\n'''python\n{COUNT}\n'''",
    "three typographic quotes": f"‘‘‘python\n{COUNT}\n’’’",
    "two backticks": f"``python\n{COUNT}\n``",
    "prompts": "```pycon\n" + "\n".join(f">>> {line}" for line in COUNT.split("\n")) + "\n3\n```",
    "nothing, behind words": f"Let me look at the context first.\n\n{COUNT}",
    "nothing, right behind words": f"I count.\n{COUNT}\nThen I will report.",
    "nothing but an indentation": "I count:\n\n" + "\n".join(f"    {line}" for line in COUNT.split("\n")),
    "nothing, behind a heading": f"Thought: I count.\nCode:\n{COUNT}\n",
    "fields of a template": f"[[ ## reasoning ## ]]\nI count.\n\n[[ ## code ## ]]\n{COUNT}\n\n[[ ## completed ## ]]",
    "a fence for something like Python": f"```pyrepl\n{COUNT}\n```",
    "a fence for a tool": f"```tool_call\n{COUNT}\n```",
    "a fence with a slip in its mark": f"```pyhton\n{COUNT}\n```",
    "a fence with the name of a file": f"```count.py\n{COUNT}\n```",
    "a tool call with a fence in its code": f"<tool_call>\n{json.dumps(FENCED_CALL)}\n</tool_call>",
    "a tool call as a literal of Python": f"<tool_call>\n{TOOL_CALL}\n</tool_call>",
    "a tool call with code by another name": json.dumps({"name": "python", "arguments": {"cell": COUNT}}),
    "tool uses": json.dumps({"tool_uses": [{"recipient_name": "functions.python", "parameters": {"code": COUNT}}]}),
    "JSON of a kind of its own": json.dumps({"thoughts": {"plan": "count"}, "command": {"args": {"code": COUNT}}}),
    "JSON with a word for Python": json.dumps({"python": COUNT}),
    "JSON of thought and a fence": json.dumps({"thought": "I count.", "code": f"```python\n{COUNT}\n```"}),
    "tokens of Llama 4": f"<|python_start|>{COUNT}<|python_end|>",
    "tokens of InternLM": f"<|action_start|><|interpreter|>\n{COUNT}<|action_end|>",
    "tokens of Command R7B": f"<|START_ACTION|>{json.dumps([{'tool_call_id': '0', **TOOL_CALL}])}<|END_ACTION|>",
    "tokens of LFM2": f"<|tool_call_start|>[python(code={COUNT!r})]<|tool_call_end|>",
    "tags of Nemotron": f"<TOOLCALL>{json.dumps([TOOL_CALL])}</TOOLCALL>",
    "words of Qwen-Agent": f"✿FUNCTION✿: python\n✿ARGS✿: {json.dumps({'code': COUNT})}",
    "markup of DeepSeek": (
        f'<｜DSML｜function_calls>\n<｜DSML｜invoke name="python">\n<｜DSML｜parameter name="code" string="true">'
        f"{COUNT}</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>"
    ),
    "an action in bold lines": f"**Action:** python\n**Action Input:** {COUNT}\n**Observation:** 3",
    "an action in small letters": f"thought: count.\naction: python\naction_input: {COUNT}",
    "an action in brackets": f"Thought: count.\nAction: python[{COUNT}]",
    "an action in quotes": f"Thought: count.\nAction: python\nAction Input: {json.dumps(COUNT)}",
    "a session": "```pycon\n" + "\n".join(f">>> {line}" for line in COUNT.split("\n")) + "\n3\n```\nSo 3.",
    "a call": f"python(code={COUNT!r})",
    "a call in a fence": f"```\npython({COUNT!r})\n```",
    "a call behind words": f"I count.\n\nrun_python(code={COUNT!r}, timeout=30)",
    "a call in a space of tools": f"default_api.python(code={COUNT!r})",
    "a call of a call": f"<|python_tag|>python.call(code={COUNT!r})",
    "tokens of FunctionGemma": (f"<start_function_call>call:python{{code:<escape>{COUNT}<escape>}}<end_function_call>"),
    "a call that is printed": f"print(default_api.run(code={COUNT!r}))",
    "a call in brackets": f"[functions.repl(code={COUNT!r})]",
    "a call with a long string": f'python("""\n{COUNT}\n""")',
    "a command in tags": (
        f"<execute_command>\n<command>{COUNT}</command>\n<requires_approval>false</requires_approval>\n"
        "</execute_command>"
    ),
    "code in tags in tags": f"<run_code>\n<language>python</language>\n<code>\n{COUNT}\n</code>\n</run_code>",
    "a command line": f'```bash\n$ python3 -c "{COUNT}"\n```',
    "a document of a command line": f"```sh\npython3 - <<'EOF'\n{COUNT}\nEOF\n```",
    "Python 2": COUNT.replace("print(n)", "print n"),
    "Python 2 in a fence": f"```\n{COUNT.replace('print(n)', 'print n')}\n```",
    "an action in lines": f"Thought: count.\nAction: python_repl\nAction Input: {COUNT}\nObservation: 3",
}


def blocks(reply: str, *variables: str) -> tuple[str, ...]:
    """The code in a later reply, where the session has these variables."""
    return parse_reply(reply, variables=frozenset(variables)).blocks
