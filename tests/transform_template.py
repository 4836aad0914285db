"""Print a SAM template as CloudFormation's transform leaves it. Run it with SAM CLI's Python.

The first argument is the template, the second a JSON object of parameters.
"""

import json
import sys
from pathlib import Path

from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

template = yaml_parse(Path(sys.argv[1]).read_text())
# What `sam package` replaces a folder with.
template["Globals"]["Function"]["CodeUri"] = "s3://bucket/code"
parameters = {name: declared.get("Default", "") for name, declared in template["Parameters"].items()}
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::LayerVersion":
        resource["Properties"]["ContentUri"] = "s3://bucket/layer"
transformed = Translator({}, Parser()).translate(template, parameters | json.loads(sys.argv[2]))
json.dump(transformed, sys.stdout, default=str)
