import { testFrameworkExample } from './_framework.ts'

testFrameworkExample('express')
